/**
 * systemd's end of sd_notify(3): real UNIX datagram sockets. Node has none, so that a small Python program holds them; it
 * also closes the descriptors of a barrier, which a sender waits for.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPython } from '../../scripts/environments.mjs';
import { startProcess, untilServing } from './processes.ts';
import type { Scope } from './scope.ts';

const RECEIVER = `
import array, os, selectors, socket, sys
folder, *names = sys.argv[1:]
selector = selectors.DefaultSelector()
for name in names:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(os.path.join(folder, name))
    selector.register(receiver, selectors.EVENT_READ, name)
print("listening", flush=True)
while True:
    for key, _ in selector.select():
        message, ancillary, _, _ = key.fileobj.recvmsg(65536, socket.CMSG_SPACE(16))
        for _, kind, data in ancillary:
            for descriptor in array.array("i", data) if kind == socket.SCM_RIGHTS else ():
                os.close(descriptor)
        for line in message.decode().splitlines():
            print(key.data, line, flush=True)
`;

export interface Notify {
  /** NOTIFY_SOCKET of a service. */
  address(service: string): string;
  /** What a service has said so far, line by line. */
  said(service: string): string[];
}

export async function startNotify(
  scope: Scope,
  folder: string,
  services: readonly string[],
): Promise<Notify> {
  const log = join(folder, 'notify.log');
  const receiver = await startProcess(scope, findPython().command, ['-c', RECEIVER, folder, ...services], {
    log,
  });
  const lines = () => readFileSync(log, 'utf8').split('\n');
  await untilServing(receiver, () => lines().includes('listening'), {
    what: 'it listens',
    timeoutMs: 10_000,
  });
  return {
    address: (service) => join(folder, service),
    said: (service) =>
      lines().flatMap((line) => (line.startsWith(`${service} `) ? [line.slice(service.length + 1)] : [])),
  };
}
