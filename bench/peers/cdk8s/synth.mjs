// The benchmark's topics and users with cdk8s: node synth.mjs ENTRIES.json [FOLDER]; one stream without a folder.
import { readFileSync } from 'node:fs';
import { ApiObject, App, Chart, YamlOutputType } from 'cdk8s';

const [, , entries, folder] = process.argv;
const { topics, users } = JSON.parse(readFileSync(entries, 'utf8'));
const app = new App({ outdir: folder, yamlOutputType: YamlOutputType.FILE_PER_RESOURCE });
const chart = new Chart(app, 'bench', { disableResourceNameHashes: true });

function metadata({ name, tenant, owner }) {
  return {
    name,
    namespace: 'cdc',
    labels: {
      'app.kubernetes.io/component': 'kafka',
      'app.kubernetes.io/managed-by': 'cdc-platform',
      'app.kubernetes.io/part-of': 'cdc-platform',
      'cdc.platform/environment': 'bench',
      'strimzi.io/cluster': 'cdc',
      'cdc.platform/tenant': tenant,
    },
    annotations: { 'cdc.platform/owner': owner },
  };
}

for (const topic of topics) {
  new ApiObject(chart, `topic-${topic.name}`, {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaTopic',
    metadata: metadata(topic),
    spec: {
      topicName: topic.topic,
      partitions: topic.partitions,
      replicas: 3,
      config: {
        'cleanup.policy': 'delete',
        'compression.type': 'lz4',
        'flush.ms': topic.flushMs,
        'max.message.bytes': 1048576,
        'min.insync.replicas': 2,
        'retention.ms': topic.retentionMs,
        'segment.bytes': 1073741824,
      },
    },
  });
}

for (const user of users) {
  new ApiObject(chart, `user-${user.name}`, {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaUser',
    metadata: metadata(user),
    spec: {
      authentication: { type: 'scram-sha-512' },
      authorization: {
        type: 'simple',
        acls: user.acls.map(({ operations, ...resource }) => ({ type: 'allow', resource, operations, host: '*' })),
      },
      quotas: user.quotas,
    },
  });
}

if (folder) {
  app.synth();
} else {
  process.stdout.write(app.synthYaml());
}
