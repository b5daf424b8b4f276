import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What is counted, in Prometheus terms. One per server, so that two in one process do not mix. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'route' | 'status'>;
  readonly #seconds: Histogram<'route'>;
  readonly #sent: Counter;
  readonly #answers: Counter<'outcome'>;
  readonly #notStored: Counter;

  constructor(options: { readonly withProcess: boolean }) {
    const registers = [this.registry];
    if (options.withProcess) collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: 'stormcellar_requests_total',
      help: 'Requests answered, by kind of route and status.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'stormcellar_request_seconds',
      help: 'Time until the whole answer was sent.',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#sent = new Counter({ name: 'stormcellar_sent_bytes_total', help: 'Bytes of bodies sent.', registers });
    this.#answers = new Counter({
      name: 'stormcellar_cache_total',
      help: 'Answers about packages by where they came from, as in Cache-Status.',
      labelNames: ['outcome'],
      registers,
    });
    this.#notStored = new Counter({
      name: 'stormcellar_files_not_stored_total',
      help: 'Files served without being stored, because the disk is nearly full.',
      registers,
    });
  }

  request(route: string, status: number, seconds: number, bytes: number): void {
    this.#requests.inc({ route, status });
    this.#seconds.observe({ route }, seconds);
    if (bytes > 0) this.#sent.inc(bytes);
  }

  /** `outcome` is the word in `Cache-Status`. */
  answer(outcome: string): void {
    this.#answers.inc({ outcome });
  }

  notStored(): void {
    this.#notStored.inc();
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
  async hitRate(): Promise<number> {
    const { values } = await this.#answers.get();
    const total = values.reduce((sum, { value }) => sum + value, 0);
    const misses = values.filter(({ labels }) => labels.outcome === 'miss').reduce((sum, { value }) => sum + value, 0);
    return total === 0 ? 0 : (total - misses) / total;
  }
}
