import type { Catalog } from '../catalog/catalog.ts';
import { type AuditEvent, type EventFilter, listEvents } from '../catalog/events.ts';

/** A part of the audit trail, and whether more of it follows. */
interface AuditPage {
  readonly events: readonly AuditEvent[];
  readonly more: boolean;
}

/** Reads the audit trail. Who may is asked before. */
export class AuditTrail {
  readonly #catalog: Catalog;

  constructor(parts: { catalog: Catalog }) {
    this.#catalog = parts.catalog;
  }

  /** At most `limit` events (bounded by 999): newest first, or with `after` oldest first. */
  async page(filter: EventFilter): Promise<AuditPage> {
    const limit = Math.min(filter.limit, 999);
    const events = await this.#catalog.read(() => listEvents({ ...filter, limit: limit + 1 }));
    return { events: events.slice(0, limit), more: events.length > limit };
  }
}
