import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSearchCall, renderFault, renderSearchResult, XmlRpcFault } from '../../../server/simple/xmlrpc.ts';
import { pythonJudge } from '../../support/python.ts';

const value = (text: string): string => `<value><string>${text}</string></value>`;
const member = (name: string, inner: string): string => `<member><name>${name}</name>${inner}</member>`;
const list = (...items: readonly string[]): string => `<value><array><data>${items.join('')}</data></array></value>`;
const call = (method: string, ...params: readonly string[]): Buffer =>
  Buffer.from(
    `<?xml version='1.0'?><methodCall><methodName>${method}</methodName><params>${params.map((param) => `<param>${param}</param>`).join('\n')}</params></methodCall>`,
  );
const spec = `<value><struct>\n${member('name', list(value('de&lt;mo'), '<value>bare</value>'))}${member('summary', value('x'))}${member('other', '<value><int>5</int></value>')}</struct></value>`;

test('a search is read', () => {
  assert.deepEqual(parseSearchCall(call('search', spec, value('or'))), {
    name: ['de<mo', 'bare'],
    summary: ['x'],
    operator: 'or',
  });
  assert.deepEqual(parseSearchCall(call('search', '<value><struct></struct></value>')), {
    name: [],
    summary: [],
    operator: 'and',
  });
});

test('anything else is a fault', () => {
  const code = (body: Buffer): number => {
    try {
      parseSearchCall(body);
    } catch (error) {
      assert.ok(error instanceof XmlRpcFault, String(error));
      return error.code;
    }
    return 0;
  };
  assert.equal(code(Buffer.from('')), -32700);
  assert.equal(code(Buffer.from('{"a": 1}')), -32700);
  assert.equal(code(call('list_packages')), -32601);
  assert.equal(code(call('search', value('demo'))), -32602);
  assert.equal(code(call('search')), -32602);
  assert.equal(code(call('search', '<value>'.repeat(50))), -32602);
  assert.equal(code(call('search', '<value></value>'.repeat(5000))), -32602);
  const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>';
  assert.deepEqual(
    parseSearchCall(Buffer.concat([Buffer.from(bomb), call('search', spec.replace('de&lt;mo', '&b;'))])).name[0],
    '&b;',
  );
});

test('whatever is sent, the answer is a search or a fault', () => {
  const pieces = [
    '<value>',
    '</value>',
    '<struct>',
    '</struct>',
    '<member>',
    '<name>',
    'name',
    '</name>',
    '<array>',
    '</array>',
    '<string>',
    '</string>',
    '<methodName>search</methodName>',
    '__proto__',
    '&',
    '<![CDATA[',
    '<!--',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 20 }), (parts) => {
      try {
        parseSearchCall(Buffer.from(parts.join('')));
      } catch (error) {
        assert.ok(error instanceof XmlRpcFault, String(error));
      }
    }),
    { numRuns: 500, seed: 8 },
  );
});

const judge = pythonJudge();
test('calls and answers, judged by the XML-RPC of Python', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const hits = [{ name: 'demo', version: '1.0', summary: 'a <b> & "c" \u0001 é\n\ud800' }];
  const answers = judge.ask(
    `
import xmlrpc.client as x
def load(text):
    try:
        return x.loads(text)[0][0]
    except x.Fault as f:
        return [f.faultCode, f.faultString]
result = [load(t) for t in data] + [x.dumps(({"name": ["a", "b<"], "summary": ["é"]}, "or"), "search")]`,
    [renderSearchResult(hits), renderSearchResult([]), renderFault(new XmlRpcFault(-32601, 'no <such> thing'))],
  );
  assert.ok(Array.isArray(answers));
  const [found, none, fault, asked] = answers as readonly unknown[];
  assert.deepEqual(found, [{ name: 'demo', version: '1.0', summary: 'a <b> & "c" \ufffd é\n\ufffd' }]);
  assert.deepEqual(none, []);
  assert.deepEqual(fault, [-32601, 'no <such> thing']);
  assert.deepEqual(parseSearchCall(Buffer.from(String(asked))), { name: ['a', 'b<'], summary: ['é'], operator: 'or' });
});
