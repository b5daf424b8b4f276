// What receiving bytes costs at the least: a server that writes what is PUT to it to a file while it hashes it, syncs the file and
// answers with the sha256. `node plain-put.ts PORT FILE`.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';

const [port, path = ''] = process.argv.slice(2);

createServer(async (req, res) => {
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  let position = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    hash.update(chunk);
    await file.write(chunk, 0, chunk.length, position);
    position += chunk.length;
  }
  await file.datasync();
  await file.close();
  res.end(hash.digest('hex'));
}).listen(Number(port), '127.0.0.1');
