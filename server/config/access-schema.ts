import { z } from 'zod';
import { ACTIONS } from '../model/access.ts';
import { duration } from './units.ts';
import { appPattern, namePattern, plainUrl } from './values.ts';

const patterns = (
  what: string,
  pattern: ReturnType<typeof namePattern> | ReturnType<typeof appPattern> = namePattern(),
) => z.array(pattern).nullable().prefault(null).describe(`${what} (\`acme-*\`); \`null\` is every one.`);

/** What needs no token, and how many wrong ones are borne. */
export const access = z
  .strictObject({
    anonymous: z
      .array(z.enum(ACTIONS))
      .default(['read'])
      .describe('What may be done without a token. `read` covers indexes and bundles alike; `[]` closes both.'),
    failuresPerMinute: z
      .int()
      .min(1)
      .default(300)
      .describe('Wrong credentials that one address may send in a minute before it is told to wait.'),
  })
  .prefault({})
  .describe('Who may do what without a token. Tokens are made with `stormcellar token create`.');

const grant = z.strictObject({
  claims: z
    .record(z.string(), z.string())
    .describe('What the token must say, such as `{"repository": "acme/app"}`; a value may end in `*`.'),
  can: z.array(z.enum(ACTIONS)).min(1, { error: 'at least one action' }).describe('What is granted then.'),
  projects: patterns('Projects that it is granted for'),
  apps: patterns('Applications that it is granted for', appPattern()),
});

const issuer = z.strictObject({
  issuer: plainUrl().describe('The `iss` of its tokens; its keys are found at `/.well-known/openid-configuration`.'),
  jwksUrl: plainUrl().nullable().default(null).describe('Where its keys are, when discovery is not to be asked.'),
  leeway: duration({ most: '5m' }).prefault('30s').describe('How far its clock may be off.'),
  grants: z.array(grant).min(1, { error: 'at least one grant' }).describe('Who may do what.'),
});

/** Uploads from CI without a stored secret. */
export const oidc = z
  .strictObject({
    audience: z
      .string()
      .min(1, { error: 'an audience' })
      .default('stormcellar')
      .describe('The `aud` that tokens of issuers must carry; told at `/_/oidc/audience`.'),
    tokenLifetime: duration({ least: '1s', most: '1h' })
      .prefault('15m')
      .describe('How long a token that was minted this way is good.'),
    issuers: z.array(issuer).prefault([]).describe('Who is trusted to vouch for a CI job.'),
  })
  .prefault({})
  .describe('Trusted publishing: CI jobs trade the identity token of their platform for a short-lived token of ours.');
