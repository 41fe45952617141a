import { connect } from 'node:net';
import { LOOPBACK } from '../../base/io/address.ts';

/* Services that answer at their usual address on this machine though no setting names them. Each is asked on a bare
   connection. */

const REDIS_PORT = 6379;
const POSTGRES_PORT = 5432;

/** Milliseconds for a service that no setting names: it is on this machine, or it does not exist. */
const SEARCH_TIMEOUT = 200;

/** Asks whether it speaks TLS: one byte is the answer, before anybody has to sign in (PostgreSQL, "SSLRequest"). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * URL of a Redis, or of whatever answers as one. Without its client, which takes longer to load than Redis takes to
 * answer.
 */
export async function searchRedis(): Promise<string | undefined> {
  const answer = await firstAnswer(REDIS_PORT, 'PING\r\n');
  return answer?.startsWith('+PONG') ? `redis://${LOOPBACK}:${REDIS_PORT}/0` : undefined;
}

/** Host and port of a PostgreSQL. We know nothing about its users and databases. */
export async function searchPostgres(): Promise<string | undefined> {
  const answer = await firstAnswer(POSTGRES_PORT, SSL_REQUEST);
  return answer === 'S' || answer === 'N' ? `${LOOPBACK}:${POSTGRES_PORT}` : undefined;
}

function firstAnswer(port: number, question: string | Buffer): Promise<string | undefined> {
  return new Promise((resolve) => {
    const done = (answer?: string) => {
      socket.destroy();
      resolve(answer);
    };
    const socket = connect({ host: LOOPBACK, port, timeout: SEARCH_TIMEOUT }, () => socket.write(question));
    socket.on('data', (answer) => done(answer.toString('latin1')));
    for (const event of ['error', 'timeout', 'end']) socket.on(event, () => done());
  });
}
