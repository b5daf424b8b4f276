import { parentPort } from 'node:worker_threads';
import { ArchiveError } from './archive-error.ts';
import { type ArchiveAnswer, type ArchiveOrder, LATE_BYTES } from './archive-orders.ts';
import { GrowingFile } from './growing-file.ts';
import { isPacked, readArchive } from './read-archive.ts';

// The thread that looks into archives, so that neither decompression nor a bomb holds up a request.
const files = new Map<number, { readonly file: GrowingFile; readonly order: Begin }>();

type Begin = ArchiveOrder & { kind: 'begin' };

parentPort?.on('message', (order: ArchiveOrder) => {
  switch (order.kind) {
    case 'begin': {
      const onLate = () => tell({ id: order.id, late: true });
      const file = new GrowingFile(order.file, { ...order, onLate });
      files.set(order.id, { file, order });
      void read(order, file);
      break;
    }
    case 'grown':
      files.get(order.id)?.file.grown(order.size);
      break;
    case 'finished':
      finish(order);
      break;
    case 'abandon':
      files.get(order.id)?.file.abandon(order.reason);
      break;
  }
});

function finish({ id, size }: ArchiveOrder & { kind: 'finished' }): void {
  const under = files.get(id);
  if (under === undefined) return;
  under.file.finished(size);
  if (isPacked(under.order.archive) && under.file.left > LATE_BYTES) tell({ id, late: true });
}

async function read(order: Begin, file: GrowingFile): Promise<void> {
  let answer: ArchiveAnswer;
  try {
    answer = { id: order.id, distributions: await readArchive(file, order.archive, order.caps) };
  } catch (error) {
    if (error instanceof ArchiveError) answer = { id: order.id, unreadable: error.message };
    else answer = { id: order.id, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  files.delete(order.id);
  // It was only read from: there is nothing that could be lost.
  await order.file.close().catch(() => {});
  tell(answer);
}

function tell(answer: ArchiveAnswer): void {
  parentPort?.postMessage(answer);
}
