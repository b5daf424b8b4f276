import { blobStoreContract } from '../contracts/blob-store.ts';
import { MemoryStore } from '../support/memory-store.ts';

blobStoreContract('the memory store', async () => ({ store: new MemoryStore() }));
