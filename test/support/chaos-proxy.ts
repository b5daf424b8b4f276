import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

/** What is done with bytes that a client sends: passed on, or the line is cut instead, or right after the engine has them. */
export type Fate = 'pass' | 'cut' | 'pass-then-cut';

/** A TCP line to an engine that breaks on order. */
export class ChaosProxy {
  readonly #server: Server;
  readonly #target: NetConnectOpts;
  readonly #pairs = new Set<{ readonly client: Socket; readonly engine: Socket }>();
  #mood: 'open' | 'refusing' | 'silent' = 'open';
  #fateOf: (bytes: Buffer, line: object) => Fate = () => 'pass';

  private constructor(target: NetConnectOpts) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Listens on a free loopback port; `target` as `net.connect` takes it. */
  static async start(target: NetConnectOpts): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** Lines that are open now. */
  get lines(): number {
    return this.#pairs.size;
  }

  /** Cuts every line there is; new ones may be made. */
  cut(): void {
    for (const { client, engine } of this.#pairs) {
      client.resetAndDestroy();
      engine.destroy();
    }
    this.#pairs.clear();
  }

  /** Cuts every line, and every new one at once, until `heal`: the engine is gone. */
  refuse(): void {
    this.#mood = 'refusing';
    this.cut();
  }

  /** Lets nothing through any more, either way, without a word, until `heal`: the network is gone. */
  silence(): void {
    this.#mood = 'silent';
    for (const { client, engine } of this.#pairs) {
      client.pause();
      engine.pause();
    }
  }

  /** All is well again; lines that were silent are cut. */
  heal(): void {
    if (this.#mood === 'silent') this.cut();
    this.#mood = 'open';
    this.#fateOf = () => 'pass';
  }

  /** Decides about what clients send from now on, until `heal`. `line`: the same one for all that comes over one connection. */
  decide(fateOf: (bytes: Buffer, line: object) => Fate): void {
    this.#fateOf = fateOf;
  }

  async stop(): Promise<void> {
    // Also what has been made meanwhile and not been noticed yet.
    this.refuse();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if (this.#mood === 'refusing') {
      client.resetAndDestroy();
      return;
    }
    const engine = connect(this.#target);
    const pair = { client, engine };
    this.#pairs.add(pair);
    engine.on('error', () => {});
    const end = (): void => {
      client.destroy();
      engine.destroy();
      this.#pairs.delete(pair);
    };
    client.on('data', (bytes: Buffer) => this.#forward(this.#fateOf(bytes, pair), bytes, { engine, end }));
    engine.on('data', (bytes: Buffer) => {
      client.write(bytes);
    });
    client.on('close', end);
    engine.on('close', end);
    if (this.#mood === 'silent') {
      client.pause();
      engine.pause();
    }
  }

  #forward(fate: Fate, bytes: Buffer, { engine, end }: { readonly engine: Socket; readonly end: () => void }): void {
    if (fate === 'pass') engine.write(bytes);
    else if (fate === 'cut') end();
    else {
      // The engine gets it and is heard no more.
      engine.removeAllListeners('data');
      engine.write(bytes, () => setImmediate(end));
    }
  }
}
