// Run as a process of its own: puts a blob and kills itself (-9) as the step numbered `dieAt` begins.
// Ends with 0 when there is no such step any more.
import { openBlobStore } from '../../storage/open.ts';
import type { PutAndDie } from '../contracts/blob-store.ts';
import { spooled } from './spooled.ts';

const plan = JSON.parse(process.argv[2] ?? '') as PutAndDie;
const blob = await spooled(plan.spoolDir, plan.text.repeat(plan.times));
let step = 0;
const store = await openBlobStore(plan.config, {
  spoolDir: plan.spoolDir,
  minFreeBytes: 0,
  onStep: () => {
    if (step++ !== plan.dieAt) return;
    process.kill(process.pid, 'SIGKILL');
    for (;;); // not one line more
  },
});
await store.put(blob);
process.exit(0);
