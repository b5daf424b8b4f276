import type { ProblemSlug } from '../problem.ts';

// One line each: the slug, then what it means and what helps.
const TEXT = `
malformed-request          The address, the headers or the body could not be read. The detail names the place; errors lists every fault with a JSON pointer.
invalid-project-name       The name is no project name (PEP 508): letters, digits, "-", "_" and "." with letters or digits at the ends.
invalid-filename           The file name is not that of a wheel or an sdist, or does not fit its project and version.
invalid-metadata           The core metadata inside of the archive break their specification. Build it again with a current build backend.
invalid-archive            The file is damaged, or holds what no installer should unpack: paths that lead out, links, lying sizes.
metadata-mismatch          The form that came with the file says another name, version or digest than the archive itself. The archive counts.
digest-mismatch            The bytes that arrived are not those that the digest sent along names. Nothing was stored; send them again.
not-accepted               The configuration of this server does not take files of that kind (docs/configuration.md, uploads).
invalid-bundle-name        The name of an application, version, channel or archive is not one that can be part of an address.
credentials-required       This needs a token: as password of HTTP Basic with any user, or as Bearer.
invalid-credentials        The token is unknown, revoked or has expired. Ask an administrator for another one.
forbidden                  The token is valid and does not grant this. An administrator can make one that does.
quarantined                Whoever runs the index has closed the project because its files may be harmful. An administrator here may overrule.
archived                   The project takes no new files. Its owner can change its status.
not-found                  Nothing is at this address.
project-not-found          No repository of this index knows the project. "stormcellar explain" tells where it was looked for.
release-not-found          The project has no release of that version.
file-not-found             No page lists a file of that name, so it is not fetched from anywhere either.
repository-not-found       The configuration names no repository of that name.
index-not-found            The configuration names no index of that name.
token-not-found            No token has that id; it may have been revoked.
bundle-not-found           No application of that name has a version here.
bundle-version-not-found   The application has no such version, or it was deleted.
job-not-found              No job has that id; finished ones are forgotten after a time (jobs.keepFinishedFor).
lock-not-found             No lock is kept under that name.
source-not-found           No archive is kept for that requirement. Mirror the lock that names it.
channel-not-found          The application has no such channel yet; promoting a version to it makes it.
method-not-allowed         The address is right, the method is not: see the header Allow.
request-timeout            The head of the request did not come within a minute. Send it again.
file-exists                A file of that name is, or was, published with other bytes. Names are never used twice: raise the version.
not-hosted                 The repository belongs to an upstream, so it takes no uploads and no changes.
bundle-exists              That version was published with other bytes. Versions never change: raise the version.
job-over                   The job has finished, or was given up, so it takes nothing more. Begin another one.
job-not-done               The job has no outcome to be fetched: it still runs, or it did not succeed.
channel-order              The configuration wants the version in another channel before this one.
nothing-before             No promotion is left that could be taken back.
version-in-use             A channel points to the version; promote another one first.
contents-unknown           The archive could not be looked into, or is being read at this moment; the detail says which.
channel-moved              Somebody has promoted another version since you looked. Look again, then decide.
precondition-failed        If-Match names other bytes than the file has. Ask again without it, from the start.
payload-too-large          The body is larger than this server takes (docs/configuration.md, limits).
range-not-satisfiable      The range begins behind the end of the file; Content-Range tells its size.
identity-refused           The identity token is not one that a configured issuer would give to a trusted publisher of ours.
rate-limited               Too many tries with wrong credentials from this address. Wait for as long as Retry-After says.
head-too-large             Address and headers together have more than 16 KiB. Leave some out; a token needs one header.
internal                   A fault of this program. The log tells more under the request id, which is the instance of the problem.
upstream-unavailable       The upstream index refuses, fails or cannot be reached, and what was asked for is not kept here. Mirror what you depend on.
upstream-mismatch          The upstream index sent other bytes than its page promises. They were not kept; the next request tries again.
catalog-unavailable        The database does not answer. What is in memory goes on; try again after Retry-After.
storage-unavailable        The store of bytes does not answer. What is in the local cache goes on; try again after Retry-After.
earlier-index-unavailable  The first upstream of this index cannot be asked whether it has the name, and the others are not asked in its place.
not-stored                 The bytes are not kept here, and whoever has them does not answer.
issuer-unavailable         The issuer's keys could not be fetched, so its identity tokens cannot be checked at the moment.
upstream-timeout           The upstream index did not answer in time, and what was asked for is not kept here.
read-only                  An administrator has stopped writes for a while, or for good after a move. Reading goes on. The detail says why.
stopping                   This node stops. Ask again: another node, or its successor, will answer.
storage-full               There is no room. Nothing was changed, and reading goes on. An administrator has to make room.
`;

const NOTES: ReadonlyMap<string, string> = new Map(
  TEXT.trim()
    .split('\n')
    .map((line) => {
      const at = line.indexOf(' ');
      return [line.slice(0, at), line.slice(at).trim()];
    }),
);

/** What a problem means, and what helps; `undefined` of one that nobody has described yet. */
export function noteOf(slug: ProblemSlug): string | undefined {
  return NOTES.get(slug);
}

/** The slugs that are described. */
export function describedSlugs(): readonly string[] {
  return [...NOTES.keys()];
}
