import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createLogger, infoLines } from '../../server/log.ts';

suite('lines that are made already', () => {
  test('are as the logger would have written them', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const event = { id: 'a1', path: '/simple/naïve"\\\u0001/', status: 200, cut: true };
    const fields = JSON.stringify(event).slice(1, -1);
    log.info(event, 'request');
    infoLines(log)(fields, 'request');
    const [usual, ready] = lines.map((line) => line.replace(/"time":"[^"]+"/, '"time":""'));
    assert.equal(ready, usual);
  });

  test('are left out where the level leaves them out', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    infoLines(log)('"id":"a1"', 'request');
    assert.deepEqual(lines, []);
  });
});
