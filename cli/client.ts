import { type Command, Option } from 'commander';
import { CommandFailure, Refusal } from './failure.ts';
import { plain } from './print.ts';

/** Where the server is and who asks. */
export interface ServerOptions {
  readonly server: string;
  readonly token?: string;
}

/** Adds `--server` and `--token` to a command that speaks to a server; both can come from the environment. */
export function withServer(command: Command): Command {
  return command
    .addOption(
      new Option('--server <url>', 'address of the server').env('STORMCELLAR_URL').default('http://127.0.0.1:8085'),
    )
    .addOption(new Option('--token <token>', 'who asks').env('STORMCELLAR_TOKEN'));
}

/** What the options mean: the address without a slash or an index at its end, and the token, if there is one. */
export function serverOf({ server, token }: ServerOptions): {
  readonly base: string;
  readonly token: string | undefined;
} {
  return {
    // The address of an index is what people have at hand.
    base: server.replace(/\/+$/, '').replace(/\/simple$/, ''),
    // CI hands on a secret that it does not have as an empty text.
    token: token === '' ? undefined : token,
  };
}

/** A request to the server; `query` leaves out what is undefined. */
export interface ApiRequest {
  readonly method?: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: RequestInit['body'];
  /** Statuses besides 2xx that are answers and no failures. */
  readonly accept?: readonly number[];
}

/** Speaks to a server's HTTP API. */
export class Client {
  readonly #base: string;
  readonly #token: string | undefined;

  /** Throws `CommandFailure` (wrong usage) for an address that is none. */
  constructor(options: ServerOptions) {
    const { server } = options;
    if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
      throw new CommandFailure(`--server: not an http(s) address: ${server}`, 2);
    }
    const { base, token } = serverOf(options);
    this.#base = base;
    this.#token = token;
  }

  /** The answer, as JSON; `undefined` when it has no body. Throws `CommandFailure` with what the server said. */
  async json<T>(path: string, request: ApiRequest = {}): Promise<T> {
    const response = await this.send(path, request);
    const text = await response.text();
    if (text === '') return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new CommandFailure(`${this.#base} does not answer like a Stormcellar server.`, 1, { cause });
    }
  }

  /** The response of a request that succeeded; whoever calls reads its body. Throws `CommandFailure` with what the server said. */
  async send(path: string, request: ApiRequest = {}): Promise<Response> {
    const { method = 'GET', query = {}, headers: more = {}, json, body, accept = [] } = request;
    const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const search = new URLSearchParams(given).toString();
    const headers = new Headers({ Accept: 'application/json', ...more });
    if (this.#token !== undefined) headers.set('Authorization', `Bearer ${this.#token}`);
    if (json !== undefined) headers.set('Content-Type', 'application/json');
    let response: Response;
    try {
      response = await fetch(`${this.#base}${path}${search === '' ? '' : `?${search}`}`, {
        method,
        headers,
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(body === undefined || body === null ? {} : { body, duplex: 'half' }),
      });
    } catch (cause) {
      throw new CommandFailure(`${this.#base} cannot be reached: ${reasonOf(cause)}.`, 1, { cause });
    }
    if (response.ok || accept.includes(response.status)) return response;
    throw new Refusal(await refusalOf(response, this.#token !== undefined), response.status);
  }
}

/** The deepest reason of a failed `fetch`, which says only that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reasonOf(error.cause);
  return error.message || ('code' in error ? String(error.code) : error.name);
}

async function refusalOf(response: Response, hasToken: boolean): Promise<string> {
  const text = await response.text();
  const hint = response.status === 401 && !hasToken ? ' Set --token or STORMCELLAR_TOKEN.' : '';
  try {
    const { title, detail } = JSON.parse(text) as { title?: unknown; detail?: unknown };
    if (typeof title === 'string') return plain(`${title}${typeof detail === 'string' ? `: ${detail}` : '.'}${hint}`);
  } catch {
    // An answer of somebody in between, such as a proxy: the status says what can be said.
  }
  return plain(`The server answers ${response.status} ${response.statusText}.${hint}`);
}
