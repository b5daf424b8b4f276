/** A source tree that pip builds without any network: its build backend lies inside and needs nothing. */
export function gitProject(name: string, version: string, folder = ''): Record<string, string> {
  const files: Record<string, string> = {
    'pyproject.toml': `[project]\nname = "${name}"\nversion = "${version}"\n\n[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
    'backend.py': `import base64, hashlib, os, zipfile

NAME, VERSION = ${JSON.stringify(name.replaceAll('-', '_'))}, ${JSON.stringify(version)}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = f"{NAME}-{VERSION}.dist-info"
    members = {
        f"{NAME}.py": f"__version__ = {VERSION!r}\\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\\n"
    members[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\\n").encode()
    filename = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as wheel:
        for name, data in members.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
    return filename


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
`,
  };
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [folder + path, content]));
}
