import type { Request, Response } from 'express';
import type { LockText } from '../mirroring/lock.ts';

/** Answers with a lock: its text to be saved under its name, or with `Accept: application/json` as JSON, its parts included. */
export function sendLock(req: Request, res: Response, text: LockText): void {
  const { name, content, parts = {} } = text;
  if (req.accepts(['text/plain', 'application/json']) === 'application/json') {
    res.json({ name, content, parts });
    return;
  }
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  // An attachment with a name that cannot end the header or the name.
  const plain = base.replace(/[^A-Za-z0-9._-]/g, '_');
  res
    .set('Content-Disposition', `attachment; filename="${plain}"`)
    .set('X-Content-Type-Options', 'nosniff')
    .type('text/plain')
    .send(content);
}
