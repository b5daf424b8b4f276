import type { ProjectName } from '../model/project-name.ts';

/** Names that no upstream is ever asked for: whole names, or patterns with `*`, in any spelling. */
export class PrivateNames {
  readonly #names = new Set<string>();
  readonly #patterns: readonly RegExp[];

  constructor(patterns: readonly string[]) {
    const wild: RegExp[] = [];
    for (const pattern of patterns) {
      const normal = pattern
        .trim()
        .toLowerCase()
        .replace(/[-_.]+/g, '-');
      if (!normal.includes('*')) this.#names.add(normal);
      else wild.push(new RegExp(`^${normal.split('*').map(literally).join('.*')}$`));
    }
    this.#patterns = wild;
  }

  has(name: ProjectName): boolean {
    return this.#names.has(name) || this.#patterns.some((pattern) => pattern.test(name));
  }
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
