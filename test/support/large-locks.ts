const DIGEST = 'aa'.repeat(32);

const heads: Readonly<Record<string, string>> = { 'uv.lock': 'version = 1\n', 'pylock.toml': 'lock-version = "1.0"\n' };

const formats: Readonly<Record<string, (i: number) => string>> = {
  'requirements.txt': (i) =>
    `p${i}==1.${i} ; python_version >= "3.9" \\\n${hashes.map((each) => `    --hash=sha256:${each}`).join(' \\\n')}\n    # via -r requirements.in\n`,
  'uv.lock': (i) =>
    `[[package]]\nname = "p${i}"\nversion = "1.${i}"\nsource = { registry = "https://index.example/simple" }\ndependencies = [\n    { name = "p${i + 1}" },\n]\nsdist = { url = "https://files.example/p${i}.tar.gz", hash = "sha256:${DIGEST}", size = 1234 }\nwheels = [\n${files(i, (url) => `{ url = "https://files.example/${url}", hash = "sha256:${DIGEST}", size = 1234 }`)}]\n\n`,
  'pylock.toml': (i) =>
    `[[packages]]\nname = "p${i}"\nversion = "1.${i}"\nindex = "https://index.example/simple"\nwheels = [\n${files(i, (url) => `{ url = "https://files.example/${url}", size = 1234, hashes = { sha256 = "${DIGEST}" } }`)}]\n\n`,
  'poetry.lock': (i) =>
    `[[package]]\nname = "p${i}"\nversion = "1.${i}"\ndescription = "What it is for"\noptional = false\npython-versions = ">=3.9"\ngroups = ["main"]\nfiles = [\n${files(i, (file) => `{file = "${file}", hash = "sha256:${DIGEST}"}`)}]\n\n[package.dependencies]\np${i + 1} = ">=1"\n\n`,
  'pdm.lock': (i) =>
    `[[package]]\nname = "p${i}"\nversion = "1.${i}"\nrequires_python = ">=3.9"\nsummary = "What it is for"\ngroups = ["default"]\nfiles = [\n${files(i, (file) => `{file = "${file}", hash = "sha256:${DIGEST}"}`)}]\n\n`,
};

const hashes = [DIGEST, 'bb'.repeat(32), 'cc'.repeat(32)];

/** The names of the locks that `largeLock` makes. */
export const LARGE_LOCKS: readonly string[] = [...Object.keys(formats), 'Pipfile.lock'];

/** A lock as its tool would write it, with so many pins of three files each. Throws for a name that is not among `LARGE_LOCKS`. */
export function largeLock(name: string, pins: number): { readonly name: string; readonly content: string } {
  const numbers = Array.from({ length: pins }, (_, i) => i);
  if (name === 'Pipfile.lock') {
    const entry = (i: number) => ({ hashes: hashes.map((each) => `sha256:${each}`), version: `==1.${i}` });
    const pipfile = Object.fromEntries(numbers.map((i) => [`p${i}`, entry(i)]));
    const sources = [{ name: 'main', url: 'https://index.example/simple', verify_ssl: true }];
    const meta = { hash: { sha256: DIGEST }, 'pipfile-spec': 6, requires: {}, sources };
    return { name, content: `${JSON.stringify({ _meta: meta, default: pipfile, develop: {} }, undefined, 4)}\n` };
  }
  const one = formats[name];
  if (one === undefined) throw new Error(`${name} is not a lock of ours`);
  return { name, content: (heads[name] ?? '') + numbers.map(one).join('') };
}

function files(i: number, written: (name: string) => string): string {
  return [0, 1, 2].map((n) => `    ${written(`p${i}-1.${i}-cp31${n}-cp31${n}-any.whl`)},\n`).join('');
}
