import { formatBytes } from '../../base/units.ts';
import { ENDPOINT_SECONDS, type Pods } from '../../plan/pods.ts';
import type { Plan } from '../../plan/types.ts';
import { SUPERVISOR_END_SECONDS, WORKER_PROCESS } from '../../runtime/contract.ts';
import {
  ADDED,
  ecosystemInImage,
  MAKE_TOOLS,
  NODE_IMAGE,
  RUN,
  startCommand,
  TOOLS,
} from '../cluster-in-image.ts';
import { block, type YamlComment, type YamlValue } from '../yaml.ts';

const ECOSYSTEM = `${RUN}/ecosystem.config.json`;

/** Where an image of the user's own has what the init container would fetch. */
export const IN_TOOLS_IMAGE = '/usr/local/share/webui-tune';

/** Name of the init container and of its volume. */
const NAME = 'webui-tune';

export interface ClusterInput {
  cluster: Plan;
  /** Undefined: npm's registry brings PM2, and this package by its version. */
  toolsImage?: string | undefined;
  version: string;
}

/** The keys of the chart that put the copy-on-write cluster into a pod. */
export function clusterValues({ cluster, toolsImage, version }: ClusterInput): Record<string, YamlValue> {
  const mount = { name: NAME, mountPath: ADDED };
  return {
    command: ['bash', '-ec', block(startScript(cluster))],
    extraInitContainers: [
      {
        name: NAME,
        image: toolsImage ?? NODE_IMAGE,
        command: ['sh', '-ec', block(toolsScript(version))],
        resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '512Mi' } },
        volumeMounts: [mount],
      },
    ],
    volumes: [{ name: NAME, emptyDir: {} }],
    volumeMounts: { container: [{ ...mount, readOnly: true }] },
  };
}

function startScript(cluster: Plan): string {
  // Files of the page are compressed in each pod: a volume on the network may be slow, and belong to nobody.
  const ecosystem = ecosystemInImage(cluster, { staticCache: `${RUN}/static` });
  return `mkdir -p -m 700 ${RUN}
cat >${ECOSYSTEM} <<'END'
${ecosystem}END
${runScript(startCommand(ECOSYSTEM))}`;
}

/**
 * Shell that runs PM2 as process 1. The chart has no key for a preStop hook: for some seconds after the pod is asked to end, the
 * workers serve as before, until no request reaches it any more. The pod ends with its last worker, because a worker that
 * finishes an answer outlives PM2, but not process 1. The shell also buries processes whose parent has ended.
 */
export function runScript(start: string, serveSeconds: number = ENDPOINT_SECONDS): string {
  return `trap 'sleep ${serveSeconds}; kill -TERM $! || true' TERM INT
${start} &
pm2=$!
code=0
wait "$pm2" || code=$?
while kill -0 "$pm2" 2>/dev/null; do
  code=0
  wait "$pm2" || code=$?
done
while grep -qs ${WORKER_PROCESS} /proc/[0-9]*/comm; do sleep 0.2; done
exit "$code"
`;
}

function toolsScript(version: string): string {
  return `if test -d ${IN_TOOLS_IMAGE}; then
  cp -R ${IN_TOOLS_IMAGE}/. ${ADDED}
  exit
fi
mkdir -p ${TOOLS}
${MAKE_TOOLS}cd ${ADDED}
npm pack --silent webui-tune@${version}
tar -xzf webui-tune-${version}.tgz --strip-components=2 package/dist/runtime
rm webui-tune-${version}.tgz
`;
}

export function clusterComments(
  { graceSeconds }: Pick<Pods, 'graceSeconds'>,
  { cluster, toolsImage }: ClusterInput,
): YamlComment[] {
  const { drainSeconds, memory, documents } = cluster;
  return [
    [
      ['command'],
      `The copy-on-write cluster under PM2. When the pod is to end, the shell waits ${ENDPOINT_SECONDS} s, until no request ` +
        `reaches the pod any more (the chart has no key for a preStop hook). Then workers finish their answers, for up to ` +
        `${drainSeconds} s, and end within ${SUPERVISOR_END_SECONDS} s. Kubernetes kills the pod after ${graceSeconds} s.`,
    ],
    [
      ['extraInitContainers'],
      toolsImage === undefined
        ? 'Brings Node, PM2 and this package’s runtime, which Open WebUI’s image lacks. Each start of a pod needs npm’s ' +
          'registry; with --tools-image, an image of your own brings them (docs/kubernetes.md).'
        : `Copies Node, PM2 and this package’s runtime from ${IN_TOOLS_IMAGE} in your image.`,
    ],
    [
      ['resources', 'limits'],
      `Within it, all workers may reach their limit of ${formatBytes(memory.workerLimit)}, where they are replaced, while one ` +
        `more starts${documents.atOnce > 0 ? ` and ${documents.atOnce} documents take ${formatBytes(documents.memoryLimit)} each` : ''}.`,
    ],
  ];
}
