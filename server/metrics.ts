import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

// What docs/operations.md has alerts on. To Prometheus a series that begins at 1 has not increased, so these begin at 0.
const ALERTED = [500, 507];

/** What is counted, in Prometheus terms. One per server, so that two in one process do not mix. */
export class Metrics {
  readonly registry = new Registry();
  // Counted here and told when they are read: to find a series by its labels costs more than all else that a request counts.
  readonly #requests: Map<string, Map<number, number>>;
  readonly #seconds: Histogram<'route'>;
  readonly #answers = new Map<string, number>();
  #sentBytes = 0;
  readonly #notStored: Counter;
  readonly #evicted: Counter;
  readonly #evictedBytes: Counter;

  /** `routes`: the kinds that requests are counted as. */
  constructor(options: { readonly withProcess: boolean; readonly routes: readonly string[] }) {
    this.#requests = new Map(options.routes.map((route) => [route, new Map(ALERTED.map((status) => [status, 0]))]));
    const registers = [this.registry];
    if (options.withProcess) collectDefaultMetrics({ register: this.registry });
    const requests = this.#requests;
    new Counter({
      name: 'stormcellar_requests_total',
      help: 'Requests answered, by kind of route and status.',
      labelNames: ['route', 'status'],
      registers,
      collect() {
        this.reset();
        for (const [route, counts] of requests) {
          for (const [status, count] of counts) this.inc({ route, status }, count);
        }
      },
    });
    this.#seconds = new Histogram({
      name: 'stormcellar_request_seconds',
      help: 'Time until the whole answer was sent.',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    const sentBytes = () => this.#sentBytes;
    new Counter({
      name: 'stormcellar_sent_bytes_total',
      help: 'Bytes of bodies sent.',
      registers,
      collect() {
        this.reset();
        this.inc(sentBytes());
      },
    });
    const answers = this.#answers;
    new Counter({
      name: 'stormcellar_cache_total',
      help: 'Answers about packages by where they came from, as in Cache-Status.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset();
        for (const [outcome, count] of answers) this.inc({ outcome }, count);
      },
    });
    this.#notStored = new Counter({
      name: 'stormcellar_files_not_stored_total',
      help: 'Files served without being stored: the disk is nearly full, or cannot be written to.',
      registers,
    });
    this.#evicted = new Counter({
      name: 'stormcellar_evicted_files_total',
      help: 'Files let go by this node to keep what came through upstreams within its limit.',
      registers,
    });
    this.#evictedBytes = new Counter({
      name: 'stormcellar_evicted_bytes_total',
      help: 'Bytes of the files let go by this node.',
      registers,
    });
  }

  request(route: string, status: number, seconds: number, bytes: number): void {
    let counts = this.#requests.get(route);
    if (counts === undefined) {
      counts = new Map();
      this.#requests.set(route, counts);
    }
    counts.set(status, (counts.get(status) ?? 0) + 1);
    this.#seconds.observe({ route }, seconds);
    this.#sentBytes += bytes;
  }

  /** `outcome` is the word in `Cache-Status`. */
  answer(outcome: string): void {
    this.#answers.set(outcome, (this.#answers.get(outcome) ?? 0) + 1);
  }

  notStored(): void {
    this.#notStored.inc();
  }

  evicted(files: number, bytes: number): void {
    this.#evicted.inc(files);
    this.#evictedBytes.inc(bytes);
  }

  /** A figure that is read when the metrics are. */
  gauge(name: string, help: string, labelNames: readonly string[], read: (gauge: Gauge) => void | Promise<void>): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      async collect() {
        this.reset();
        await read(this as Gauge);
      },
    });
  }

  /** Share of answers about packages that came from what is kept, 0 to 1; 0 before the first. */
  hitRate(): number {
    const total = [...this.#answers.values()].reduce((sum, count) => sum + count, 0);
    return total === 0 ? 0 : (total - (this.#answers.get('miss') ?? 0)) / total;
  }
}
