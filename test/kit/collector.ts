/** A collector of OpenTelemetry on loopback: it keeps what the real SDK sends to it over HTTP, and says who sent what. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { openWebuiEnvironment } from './environment.ts';
import { listenOnLoopback } from './ports.ts';

export interface Collector {
  /** Settings of Open WebUI that let it send everything here, soon. */
  settings: Record<string, string>;
  /** Names of spans, metrics and log records by the `service.instance.id` that sent them. */
  received(): Promise<Record<'traces' | 'metrics' | 'logs', Record<string, string[]>>>;
}

/**
 * What Open WebUI 0.12.4 imports with ENABLE_OTEL, and what its own packages do not bring: the official image has them.
 */
const PACKAGES = [
  'opentelemetry-exporter-otlp-proto-http==1.45.2',
  'opentelemetry-exporter-http-transport==0.66b2',
  'opentelemetry-util-http==0.66b2',
  'opentelemetry-instrumentation==0.66b2',
  ...['asgi', 'fastapi', 'httpx', 'logging', 'redis', 'requests', 'sqlalchemy', 'system-metrics'].map(
    (name) => `opentelemetry-instrumentation-${name}==0.66b2`,
  ),
  'opentelemetry-instrumentation-aiohttp-client==0.66b1',
  'wrapt',
  'asgiref',
];

/** Installs them into a folder for PYTHONPATH. */
export async function installTelemetry(scope: Scope): Promise<string> {
  const folder = join(await temporaryFolder(scope, 'otel'), 'packages');
  const { python } = openWebuiEnvironment();
  await execa(python, ['-m', 'pip', 'install', '--no-deps', '--target', folder, ...PACKAGES]);
  return folder;
}

/** Prints what the bodies hold, in the words of the protocol's own messages. */
const DECODE = `
import base64, collections, json, sys
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {
    "traces": (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans", lambda one: one.name),
    "metrics": (ExportMetricsServiceRequest, "resource_metrics", "scope_metrics", "metrics", lambda one: one.name),
    "logs": (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records", lambda one: one.body.string_value),
}
found = {kind: collections.defaultdict(set) for kind in KINDS}
for kind, body in json.load(sys.stdin):
    Request, resources, scopes, items, name_of = KINDS[kind]
    request = Request.FromString(base64.b64decode(body))
    for resource in getattr(request, resources):
        of = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in getattr(resource, scopes):
            found[kind][of.get("service.instance.id", "")] |= {name_of(one) for one in getattr(scope, items)}
print(json.dumps({kind: {id: sorted(names) for id, names in of.items()} for kind, of in found.items()}))
`;

export async function startCollector(scope: Scope): Promise<Collector> {
  const bodies: [kind: string, body: string][] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    bodies.push([request.url?.split('/').at(-1) ?? '', Buffer.concat(chunks).toString('base64')]);
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  const port = await listenOnLoopback(server);
  scope.defer('the collector', () => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    settings: {
      ENABLE_OTEL: 'true',
      ENABLE_OTEL_TRACES: 'true',
      ENABLE_OTEL_METRICS: 'true',
      ENABLE_OTEL_LOGS: 'true',
      OTEL_OTLP_SPAN_EXPORTER: 'http',
      OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/v1/traces`,
      OTEL_METRICS_EXPORTER_OTLP_ENDPOINT: `${url}/v1/metrics`,
      OTEL_LOGS_EXPORTER_OTLP_ENDPOINT: `${url}/v1/logs`,
      OTEL_METRICS_EXPORT_INTERVAL_MILLIS: '1000',
      OTEL_BSP_SCHEDULE_DELAY: '500',
      OTEL_BLRP_SCHEDULE_DELAY: '500',
      GLOBAL_LOG_LEVEL: 'INFO',
    },
    received: async () => {
      const { stdout } = await execa(openWebuiEnvironment().python, ['-c', DECODE], {
        input: JSON.stringify(bodies),
      });
      return JSON.parse(stdout);
    },
  };
}
