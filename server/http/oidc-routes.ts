import { json, Router } from 'express';
import { z } from 'zod';
import type { TrustedPublishing } from '../access/trusted-publishing.ts';
import { Problem } from '../problem.ts';
import { contextOf } from './request-context.ts';
import { validated } from './validate.ts';

// The second is where the public index had it first, and where actions of that time still ask.
const MINT = ['/_/oidc/mint-token', '/_/oidc/github/mint-token'];

const tokenBody = z.object({ token: z.string().min(1).max(16_384) });

/**
 * `/_/oidc/…`: trusted publishing at the addresses where the public index has it, so that stock CI actions and `uv publish` find
 * it. Whatever else is asked below `/_/`, and all of it where no issuer is trusted, is a quick 404.
 */
export function oidcRoutes({ publishing }: { publishing: TrustedPublishing }): Router {
  const router = Router();
  router.get('/_/oidc/audience', (_req, res) => {
    res.json({ audience: audience(publishing) });
  });
  // uv and curl name no type, or a wrong one
  router.post(MINT, json({ limit: '32kb', type: () => true }), async (req, res) => {
    audience(publishing);
    const { token } = validated(tokenBody, req.body);
    const { address } = contextOf(req);
    const minted = await publishing.mint(token, { name: 'trusted-publishing', address });
    res.set('Cache-Control', 'no-store');
    res.json({ success: true, token: minted.secret, expires: Math.floor(minted.expiresAt / 1000) });
  });
  // as the public index has it: whatever the token was, the answer is the same, and tells nothing
  router.post('/_/oidc/burn-token', json({ limit: '32kb', type: () => true }), async (req, res) => {
    audience(publishing);
    const { token } = validated(tokenBody, req.body);
    const { address } = contextOf(req);
    await publishing.burn(token, { name: 'trusted-publishing', address });
    res.status(202).set('Cache-Control', 'no-store').json({ message: 'Accepted' });
  });
  router.use('/_', () => {
    throw new Problem('not-found', 'There is nothing here.');
  });
  return router;
}

function audience(publishing: TrustedPublishing): string {
  const wanted = publishing.audience();
  if (wanted === undefined) throw new Problem('not-found', 'No issuer of identity tokens is trusted here.');
  return wanted;
}
