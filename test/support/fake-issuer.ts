import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: object;
}

/** An issuer of identity tokens on loopback, as a CI platform has one. */
export class FakeIssuer {
  /** What it answers instead of its documents; for faults. */
  fault: ((res: ServerResponse) => void) | undefined;
  /** Members to put over those of its discovery document. */
  discovery: Readonly<Record<string, unknown>> = {};
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly #server = createServer((req, res) => void this.#answer(req, res));
  readonly #jobs = new Map<string, JWTPayload>();
  #keys: SigningKey[] = [];

  /** Starts one that ends with the test. */
  static async start(t: { after(fn: () => void): void }): Promise<FakeIssuer> {
    const issuer = new FakeIssuer();
    await issuer.rotate();
    await new Promise<void>((resolve) => issuer.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      issuer.#server.closeAllConnections();
      issuer.#server.close();
    });
    return issuer;
  }

  /** What its tokens say in `iss`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get jwksUrl(): string {
    return `${this.url}/jwks`;
  }

  /** Goes on with a new key; the old ones are not published any more. */
  async rotate(alg = 'ES256'): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${this.#keys.length + 1}`;
    this.#keys = [{ kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }];
  }

  /** A token with these claims beside `iss`; times in seconds. */
  async sign(claims: JWTPayload, header: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const [key] = this.#keys;
    if (key === undefined) throw new Error('the issuer has no key');
    return await new SignJWT({ iss: this.url, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
      .sign(key.privateKey);
  }

  /**
   * The environment of a GitHub Actions job with `id-token: write` and these claims: a tool in it asks here for identity tokens,
   * as many as it likes, each with the audience that it names.
   */
  actionsJob(claims: JWTPayload): Readonly<Record<string, string>> {
    const secret = `request-${this.#jobs.size + 1}`;
    this.#jobs.set(`bearer ${secret}`, claims);
    return {
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${this.url}/actions/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret,
    };
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '';
    this.asked.push(path);
    if (this.fault !== undefined) {
      this.fault(res);
      return;
    }
    const url = new URL(path, this.url);
    if (url.pathname === '/actions/token') {
      const job = this.#jobs.get((req.headers.authorization ?? '').replace(/^Bearer /, 'bearer '));
      res.writeHead(job === undefined ? 401 : 200, { 'Content-Type': 'application/json' });
      const aud = url.searchParams.get('audience') ?? 'nobody';
      res.end(JSON.stringify(job === undefined ? {} : { value: await this.sign({ ...job, aud }) }));
      return;
    }
    const documents: Readonly<Record<string, object>> = {
      '/.well-known/openid-configuration': { issuer: this.url, jwks_uri: this.jwksUrl, ...this.discovery },
      '/jwks': { keys: this.#keys.map(({ jwk }) => jwk) },
    };
    const document = documents[path];
    res.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(document ?? {}));
  }
}
