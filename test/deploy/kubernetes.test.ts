import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../server/config/load.ts';
import { DEPLOY, namesInConfig, readYaml, Yaml } from '../support/deploy-files.ts';
import { skipOrFail } from '../support/skip.ts';

const folder = 'kubernetes/';
const [kustomization, deployment, service, ingress, budget] = await Promise.all(
  ['kustomization', 'deployment', 'service', 'ingress', 'disruption-budget'].map(async (name) => {
    const [document] = await readYaml(`${folder}${name}.yaml`);
    assert.ok(document, name);
    return document;
  }),
);
assert.ok(kustomization && deployment && service && ingress && budget);
const pod = deployment.at('spec', 'template', 'spec');
const container = pod.at('containers', 0);
const kubectl = await access('/usr/bin/kubectl').then(
  () => undefined,
  () => 'kubectl is not installed (apt-get install kubernetes-client)',
);

describe('deploy/kubernetes', () => {
  it('names every file that it has', async () => {
    const files = (await readdir(`${DEPLOY}${folder}`)).filter((name) => name.endsWith('.yaml')).sort();
    const named = kustomization.at('resources').list.map(({ text }) => text);
    assert.deepEqual([...named, 'kustomization.yaml'].sort(), files);
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    assert.equal(kustomization.at('images', 0, 'newTag').text, version);
  });

  it('is put together by kustomize, with one name for what belongs together', {
    skip: skipOrFail(kubectl),
  }, async () => {
    const { stdout } = await promisify(execFile)('kubectl', ['kustomize', `${DEPLOY}${folder}`]);
    const documents = parseAllDocuments(stdout);
    assert.ok(Array.isArray(documents));
    const made = documents.map((document) => new Yaml(document.toJS()));
    const find = (kind: string): Yaml => {
      const found = made.find((one) => one.at('kind').text === kind);
      assert.ok(found, kind);
      return found;
    };
    const kinds = made.map((one) => one.at('kind').text).sort();
    assert.deepEqual(kinds, ['ConfigMap', 'Deployment', 'Ingress', 'Namespace', 'PodDisruptionBudget', 'Service']);
    const labels = find('Deployment').at('spec', 'template', 'metadata', 'labels').value;
    assert.deepEqual(labels, { 'app.kubernetes.io/name': 'stormcellar' });
    assert.deepEqual(find('Deployment').at('spec', 'selector', 'matchLabels').value, labels);
    assert.deepEqual(find('Service').at('spec', 'selector').value, labels);
    assert.deepEqual(find('PodDisruptionBudget').at('spec', 'selector', 'matchLabels').value, labels);
    const mounted = find('Deployment').at('spec', 'template', 'spec', 'volumes', 1, 'configMap', 'name').text;
    assert.equal(mounted, find('ConfigMap').at('metadata', 'name').text);
    assert.match(mounted, /^stormcellar-[a-z0-9]+$/);
  });

  it('gives the configuration the environment that it names, and it loads', async () => {
    const env = container.at('env').list;
    const given = env.map((one) => one.at('name').text);
    const named = await namesInConfig(`${folder}stormcellar.json`);
    assert.deepEqual(
      given.filter((name) => !named.includes(name)),
      ['STORMCELLAR_ADMIN_TOKEN'],
    );
    const values = Object.fromEntries(
      given.map((name) => [
        name,
        name === 'DATABASE_URL'
          ? 'postgres://stormcellar@db.example/stormcellar'
          : /_URL$|ENDPOINT/.test(name)
            ? 'https://a.example/simple/'
            : `${name}-0123456789-0123456789`,
      ]),
    );
    const config = await loadConfig({ file: `${DEPLOY}${folder}stormcellar.json`, env: values });
    assert.equal(config.catalog.kind, 'postgres');
    const grace = pod.at('terminationGracePeriodSeconds').number;
    const pause = Number(container.at('lifecycle', 'preStop', 'exec', 'command', 1).text);
    assert.ok(grace * 1000 > pause * 1000 + config.limits.stopGrace, 'time to drain');
    assert.equal(
      await readFile(`${DEPLOY}${folder}stormcellar.json`, 'utf8'),
      await readFile(`${DEPLOY}stormcellar.json`, 'utf8'),
    );
    const keys = env.flatMap((one) =>
      one.at('valueFrom').value === undefined ? [] : [one.at('valueFrom', 'secretKeyRef', 'key').text],
    );
    const told = await readFile(`${DEPLOY}${folder}README.md`, 'utf8');
    for (const key of keys) assert.ok(told.includes(`--from-literal=${key}=`), `README.md does not tell of ${key}`);
  });

  it('sends requests to the port that the image serves, when it is ready', async () => {
    const port = container.at('ports', 0);
    const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
    assert.match(dockerfile, new RegExp(`^EXPOSE ${port.at('containerPort').number}$`, 'm'));
    assert.equal(service.at('spec', 'ports', 0, 'targetPort').text, port.at('name').text);
    const backend = ingress.at('spec', 'rules', 0, 'http', 'paths', 0, 'backend', 'service');
    assert.equal(backend.at('name').text, service.at('metadata', 'name').text);
    assert.equal(backend.at('port', 'name').text, service.at('spec', 'ports', 0, 'name').text);
    const probe = (name: string): Yaml => container.at(name, 'httpGet');
    assert.deepEqual(
      ['livenessProbe', 'readinessProbe', 'startupProbe'].map((name) => [
        probe(name).at('path').text,
        probe(name).at('port').text,
      ]),
      [
        ['/livez', 'http'],
        ['/readyz', 'http'],
        ['/livez', 'http'],
      ],
    );
    assert.ok(budget.at('spec', 'maxUnavailable').number < deployment.at('spec', 'replicas').number);
  });

  it('runs as the user of the image, who may write to /data alone', async () => {
    const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
    const security = pod.at('securityContext');
    assert.match(
      dockerfile,
      new RegExp(`^USER ${security.at('runAsUser').number}:${security.at('runAsGroup').number}$`, 'm'),
    );
    assert.deepEqual(
      [security.at('runAsNonRoot').value, security.at('seccompProfile', 'type').value],
      [true, 'RuntimeDefault'],
    );
    assert.deepEqual(container.at('securityContext').value, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const writable = container.at('volumeMounts').list.filter((mount) => mount.at('readOnly').value !== true);
    assert.deepEqual(
      writable.map((mount) => mount.at('mountPath').text),
      ['/data'],
    );
  });
});
