import { connect } from 'node:net';

/**
 * Whether the preload process has imported Open WebUI, and so migrated the database: it greets whoever introduces
 * himself on the control socket, but not before. Never rejects; false where it does not within `timeout` milliseconds.
 */
export function hasImported(controlSocket: string, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(controlSocket);
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeout, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('connect', () => socket.write('{"role":"supervisor","instance":"upgrade"}\n'));
    socket.on('data', (data) => end(data.includes('"welcome"')));
  });
}
