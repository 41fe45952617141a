import { formatBytes } from '../../base/units.ts';
import { check, error, note, ok, skipped, warning } from '../check.ts';

/** Milliseconds between the first event and the last. A shorter time means that something held the events back. */
const LEAST_SPREAD = 200;

/** Milliseconds between two pings of an idle WebSocket (open_webui/env.py, WEBSOCKET_SERVER_PING_INTERVAL). */
const PING_MS = 25_000;

const NGINX_UPGRADE =
  'nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';

const UNANSWERED = 'the public address does not lead to these workers';

export const proxyChecks = [
  check({
    id: 'proxy.answers',
    title: 'The public address leads here',
    why: 'people see an error of the proxy, or nothing',
    source: 'WEBUI_URL; open_webui/main.py, /ready',
    needs: ['proxy'],
    about: 'proxy',
    run: ({ proxy: { url, status, reason } }) => {
      if (status === 200)
        return ok(`${url} answers with 200; proxy.websockets shows whether it is this installation`);
      if (status !== undefined) {
        return error(`${url} answers with ${status}`, 'look at the proxy’s log, and at where it leads');
      }
      // Some networks do not let a machine reach itself by its public address.
      return warning(
        `${url} cannot be reached from this machine: ${reason}`,
        'try it in a browser; if it works there, nothing is wrong',
      );
    },
  }),
  check({
    id: 'proxy.websockets',
    title: 'WebSockets pass the proxy',
    why: 'answers do not stream: users have to reload, or the browser falls back to polling, which does not work with several workers',
    source: 'docs.openwebui.com, nginx; tried just now, with the page’s own origin',
    needs: ['proxy'],
    run: ({ proxy: { url, websocket } }) => {
      if (!websocket) return skipped(UNANSWERED);
      if ('reason' in websocket) {
        return error(
          `at ${url}: ${websocket.reason}`,
          NGINX_UPGRADE,
          'and see settings.origins: an origin that is not accepted fails the same way',
        );
      }
      const { arrivedMs, answered } = websocket;
      if (arrivedMs !== undefined && answered)
        return ok(`a message came through in ${Math.ceil(arrivedMs)} ms`);
      return error(
        `a WebSocket at ${url} opens, and a message through our Redis does not reach it: it leads to another installation`,
        'look at where the proxy leads; if cluster.events fails too, mend that first',
      );
    },
  }),
  check({
    id: 'proxy.buffering',
    title: 'Answers stream through the proxy',
    why: 'if the proxy collects a whole answer before it passes it on, programs that use the API wait for all of it',
    source: 'docs.openwebui.com, nginx: proxy_buffering; tried just now with five events in 0.4 s',
    needs: ['proxy'],
    run: ({ proxy: { echo } }) => {
      if (!echo)
        return skipped(
          'no worker answered a signed request: it has another WEBUI_SECRET_KEY, or another server',
        );
      const spread = Math.round(echo.spreadMs);
      return spread >= LEAST_SPREAD
        ? ok(`five events came over ${spread} ms, as they were sent`)
        : warning(
            `five events that were sent over 400 ms came within ${spread} ms`,
            'nginx: proxy_buffering off;',
          );
    },
  }),
  check({
    id: 'proxy.silence',
    title: 'The proxy waits for an answer',
    why: 'a large document, a search or a model that thinks may take minutes: a proxy that waits less answers 504 instead',
    source:
      'docs.openwebui.com, nginx: proxy_read_timeout, 60 s by default; tried with doctor --silence SECONDS',
    needs: ['proxy'],
    run: ({ proxy: { echo, silence } }) => {
      if (!silence) return skipped('not tried, as it takes as long: webui-tune doctor --silence 300');
      if (!echo) return skipped('no worker answered a signed request');
      const { seconds, afterMs, status, reason } = silence;
      const after = `${(afterMs / 1000).toFixed(1)} s`;
      if (status === 200) return ok(`an answer came through after ${after} of silence`);
      const found = `an answer that was silent for ${seconds} s was cut off after ${after} (${status ?? reason})`;
      const mend = 'nginx: proxy_read_timeout 300s;';
      // An idle WebSocket carries nothing but its ping.
      return afterMs < PING_MS ? error(`${found}; idle WebSockets too`, mend) : warning(found, mend);
    },
  }),
  check({
    id: 'proxy.headers',
    title: 'The workers see what the browser asked for',
    why: 'OAuth returns to the wrong address, and limits and audit logs see all users as one client',
    source: 'uvicorn/middleware/proxy_headers.py, FORWARDED_ALLOW_IPS; docs.openwebui.com, nginx',
    needs: ['proxy'],
    run: ({ proxy: { url, echo } }) => {
      if (!echo) return skipped('no worker answered a signed request');
      const { protocol, host } = new URL(url);
      const findings = [
        ...(echo.host === host
          ? []
          : [
              warning(
                `the browser asks for ${host}, the workers hear ${echo.host || 'no host'}`,
                'nginx: proxy_set_header Host $http_host;',
              ),
            ]),
        ...(echo.forwardedFor === ''
          ? [
              warning(
                'the proxy does not pass the client’s address on',
                'nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
              ),
            ]
          : []),
      ];
      const isBelieved = echo.forwardedFor.split(',').some((address) => address.trim() === echo.client);
      if (echo.forwardedFor !== '' && !isBelieved) {
        findings.push(
          warning(
            `X-Forwarded-For of the proxy at ${echo.client} is not believed`,
            `FORWARDED_ALLOW_IPS=${echo.client}, in your settings`,
          ),
        );
      } else if (`${echo.scheme}:` !== protocol) {
        findings.push(
          warning(
            `the page is ${protocol.slice(0, -1)}, the workers take it for ${echo.scheme}`,
            'nginx: proxy_set_header X-Forwarded-Proto $scheme;',
          ),
        );
      }
      return findings.length > 0 ? findings : ok(`${echo.scheme}://${echo.host}, from ${echo.client}`);
    },
  }),
  check({
    id: 'proxy.uploads',
    title: 'Documents pass the proxy',
    why: 'an upload above the proxy’s limit ends with "413 Request Entity Too Large"; nginx’s default is 1 MB',
    source: 'docs.openwebui.com, nginx: client_max_body_size; open_webui/config.py, RAG_FILE_MAX_SIZE',
    needs: ['proxy'],
    run: ({ proxy: { upload } }) => {
      if (!upload) return skipped(UNANSWERED);
      const size = formatBytes(upload.bytes);
      if (upload.status === 413) {
        return error(
          `${size} are too much for it`,
          `nginx: client_max_body_size ${Math.ceil(upload.bytes / 2 ** 20)}M;`,
        );
      }
      const isRefused = upload.status !== undefined && upload.status >= 500;
      return isRefused
        ? warning(`an upload of ${size} was answered with ${upload.status}`, 'look at the proxy’s log')
        : ok(`an upload of ${size} was announced and accepted; nothing was sent`);
    },
  }),
  check({
    id: 'proxy.compression',
    title: 'Answers are compressed',
    why: 'uncompressed lists of chats and models are five times as large, which is felt on a slow line',
    source:
      'open_webui/env.py, ENABLE_COMPRESSION_MIDDLEWARE: 3 to 4 % of a worker’s CPU that a proxy can spare it',
    needs: ['proxy'],
    run: ({ proxy: { encoding } }) => {
      if (encoding === undefined) return skipped(UNANSWERED);
      return encoding === ''
        ? note(
            'the API’s answers are not compressed',
            'nginx: gzip on; gzip_proxied any; gzip_types application/json;',
            'or ENABLE_COMPRESSION_MIDDLEWARE=True, in your settings',
          )
        : ok(`with ${encoding}`);
    },
  }),
];
