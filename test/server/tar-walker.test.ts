import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TarError } from '../../server/tar-header.ts';
import { type TarMember, TarWalker } from '../../server/tar-walker.ts';
import { type TarPart, tarOf } from '../support/tar.ts';

/** What a walker sees of an archive that comes in pieces of `step` bytes. */
function walk(archive: Buffer, step = 100_000): (TarMember & { content: string })[] {
  const seen: (TarMember & { content: string })[] = [];
  const walker = new TarWalker((member) => {
    const entry = { ...member, content: '' };
    seen.push(entry);
    return (piece) => {
      entry.content += piece.toString();
    };
  });
  for (let at = 0; at < archive.length; at += step) walker.write(archive.subarray(at, at + step));
  walker.end();
  return seen;
}

function pax(records: Record<string, string>, type = 'x'): TarPart {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (`${length}`.length + rest !== length) length += 1;
    return `${length} ${key}=${value}\n`;
  });
  return { name: 'PaxHeader', data: lines.join(''), type };
}

const FILE = { name: 'top/a.txt', data: 'hello' };

describe('a tar archive', () => {
  it('is read member by member, however it is cut into pieces', () => {
    const parts = [
      { name: 'top/', data: '', type: '5' },
      FILE,
      { name: 'top/empty', data: '' },
      { name: 'top/b.bin', data: 'x'.repeat(1500) },
      { name: 'top/link', data: '', type: '2', linkName: 'a.txt' },
    ];
    const archive = tarOf(parts);
    const expected = [
      ['directory', 'top/', '', ''],
      ['file', 'top/a.txt', '', 'hello'],
      ['file', 'top/empty', '', ''],
      ['file', 'top/b.bin', '', 'x'.repeat(1500)],
      ['symlink', 'top/link', 'a.txt', ''],
    ];
    for (const step of [1, 7, 511, 512, 513, 100_000]) {
      const seen = walk(archive, step).map(({ type, name, linkName, content }) => [type, name, linkName, content]);
      assert.deepEqual(seen, expected, `pieces of ${step}`);
    }
  });

  it('may have long names, of pax and of GNU', () => {
    const long = `top/${'d'.repeat(200)}/ä.txt`;
    assert.equal(walk(tarOf([pax({ path: long, mtime: '1.5' }), FILE]))[0]?.name, long);
    assert.equal(walk(tarOf([{ name: 'x', data: `${long}\0`, type: 'L' }, FILE]))[0]?.name, long);
    assert.equal(walk(tarOf([pax({ comment: 'a commit' }, 'g'), FILE]))[0]?.name, FILE.name);
    const sized = walk(tarOf([pax({ size: '5' }), { ...FILE, size: 0 }]));
    assert.equal(sized[0]?.content, 'hello');
  });

  it('ends with its file when it has no blocks of zeros', () => {
    const archive = tarOf([FILE]);
    assert.equal(walk(archive.subarray(0, 1024)).length, 1);
  });

  it('is refused where two readers would see two archives', () => {
    const archive = tarOf([FILE]);
    const damaged = Buffer.from(archive);
    damaged[3] = 0x58;
    const cases: Record<string, Buffer> = {
      'a member behind the end': Buffer.concat([archive, archive]),
      'a member behind one block of zeros': Buffer.concat([archive.subarray(0, 1024), Buffer.alloc(512), archive]),
      'cut in the content': archive.subarray(0, 600),
      'cut in the header': archive.subarray(0, 400),
      'a damaged header': damaged,
      'not a tar archive': Buffer.from('hello'.repeat(300)),
      'a folder with content': tarOf([{ name: 'top/', data: 'x', type: '5' }]),
      'a link with content': tarOf([{ name: 'l', data: 'x', type: '2', linkName: 'y' }]),
      'a device': tarOf([{ name: 'null', data: '', type: '3' }]),
      'a fifo': tarOf([{ name: 'pipe', data: '', type: '6' }]),
      'a sparse file of GNU': tarOf([{ name: 's', data: '', type: 'S' }]),
      'a sparse file of pax': tarOf([pax({ 'GNU.sparse.major': '1' }), FILE]),
      'a name for all': tarOf([pax({ path: 'other' }, 'g'), FILE]),
      'two names': tarOf([pax({ path: 'other' }), { name: 'x', data: 'third\0', type: 'L' }, FILE]),
      'the same key twice': tarOf([{ name: 'x', data: '10 path=a\n10 path=b\n', type: 'x' }, FILE]),
      'a malformed record': tarOf([{ name: 'x', data: 'nonsense', type: 'x' }, FILE]),
      'a record that is too long': tarOf([{ name: 'x', data: '99 path=a\n', type: 'x' }, FILE]),
      'a size that is none': tarOf([pax({ size: '-5' }), FILE]),
      'an extended header for nothing': tarOf([FILE, pax({ path: 'x' })]),
      'an endless extended header': tarOf([{ name: 'x', data: '', type: 'x', size: 2 ** 30 }]),
    };
    for (const [name, bytes] of Object.entries(cases)) assert.throws(() => walk(bytes), TarError, name);
  });
});
