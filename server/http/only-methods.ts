import type { NextFunction, Request, Response } from 'express';
import { Problem } from '../problem.ts';

/** A handler to put behind those of an address: throws `method-not-allowed`, and says with `Allow` what the address takes. */
export function onlyMethods(allow: string): (req: Request, res: Response, next: NextFunction) => void {
  return () => {
    throw new Problem('method-not-allowed', `This address takes ${allow} only.`, { headers: { Allow: allow } });
  };
}
