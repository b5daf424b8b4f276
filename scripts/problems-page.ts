import { noteOf } from '../server/http/problem-notes.ts';
import { PROBLEMS, type ProblemSlug } from '../server/problem.ts';

const HEAD = `# Problems

<!-- Made by \`node scripts/make-problem-docs.ts\` from server/problem.ts and server/http/problem-notes.ts. Change it there. -->

What a server answers when it cannot do what it was asked. API routes send \`application/problem+json\` (RFC 9457): \`type\` ends in the
name below, \`instance\` is the request id, under which the log tells more. Index and upload routes say the same as text, title first in the status
line. \`GET /problems/NAME\` of any server shows the line below.

A name may be added in a later version, and is never given another meaning. Statuses 502 to 504 pass: try again, after \`Retry-After\` when it
is there.

`;

/** `docs/problems.md`. */
export function problemsPage(): string {
  const rows = Object.entries(PROBLEMS).map(([slug, { status, title }]) => {
    const note = noteOf(slug as ProblemSlug)?.replaceAll('|', '\\|') ?? '';
    return `| \`${slug}\` | ${status} | ${title} | ${note} |`;
  });
  return `${HEAD}| name | status | title | what it means, and what helps |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}
