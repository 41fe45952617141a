/** The load of every event: API calls over kept-alive connections, chats being generated, idle WebSockets. */
import { randomUUID } from 'node:crypto';
import type { Cluster } from '../test/kit/cluster.ts';
import { type Load, startLoad } from '../test/kit/load.ts';
import type { OpenWebui } from '../test/kit/openwebui.ts';
import { Chats } from './chats.ts';
import { IdleSockets } from './sockets.ts';

const CONNECTIONS = 12;
const CHATS = 5;
const SOCKETS = 20;

/** The longest time that an API client thinks: without one, 12 of them leave no processor for the event itself. */
const PAUSE_MS = 50;

/** What is looked for are requests that are lost, not those that are slow on a machine with other work. */
const LOST_AFTER_MS = 30_000;

/** An answer takes 3 s: longer than a worker needs to be replaced, shorter than its drain time. */
const PACE = { tokens: 60, pauseMs: 50 };

/** Answers before an event begins. */
const WARM_UP = 50;

export interface ChaosReport {
  /** API calls and questions of chats. */
  requests: number;
  failed: number;
  /** Those of them whose connection was refused. */
  refused: number;
  /** Failures of connections that were not given up. */
  unexpected: string[];
  answers: number;
  /** Answers that were accepted and never became whole, those given up aside. */
  cut: string[];
  reconnected: number;
  socketsLost: number;
  worstMs: number;
}

export class ChaosLoad {
  readonly #calls: Load;
  readonly #chats: Chats;
  readonly #sockets: IdleSockets;
  readonly #givenUp = new Set<number>();

  private constructor(calls: Load, chats: Chats, sockets: IdleSockets) {
    this.#calls = calls;
    this.#chats = chats;
    this.#sockets = sockets;
  }

  static async start(cluster: Cluster, ui: OpenWebui): Promise<ChaosLoad> {
    cluster.services.upstream.pace = PACE;
    // Of a user who does not chat: the tokens of an answer go to every page that its user has open.
    const silent = await ui.addUser(`silent-${randomUUID()}`);
    const sockets = await IdleSockets.open(silent, SOCKETS);
    const url = `${cluster.url}/api/v1/chats/?page=1`;
    const calls = startLoad({
      url,
      headers: ui.headers,
      connections: CONNECTIONS,
      pauseMs: PAUSE_MS,
      timeoutMs: LOST_AFTER_MS,
    });
    const load = new ChaosLoad(calls, new Chats(cluster, ui, CHATS), sockets);
    await load.proceed(WARM_UP);
    return load;
  }

  /** Waits until that many more API calls are answered. */
  proceed(answers: number): Promise<void> {
    return this.#calls.proceed(answers, 120_000);
  }

  /** What was on its way over these connections is allowed to be lost: their worker is about to be killed. */
  giveUp(ports: Set<number>): void {
    for (const port of ports) this.#givenUp.add(port);
    this.#chats.giveUp(ports);
  }

  async stop(): Promise<ChaosReport> {
    const [calls, chats, sockets] = await Promise.all([
      this.#calls.stop(),
      this.#chats.stop(),
      this.#sockets.stop(),
    ]);
    const failed = [...calls.failedRequests, ...chats.refusedQuestions];
    return {
      requests: calls.answered + calls.failed + chats.asked + chats.refusedQuestions.length,
      failed: failed.length,
      refused: failed.filter(({ problem }) => problem.includes('ECONNREFUSED')).length,
      unexpected: failed
        .filter(({ port }) => port === undefined || !this.#givenUp.has(port))
        .map(({ problem }) => problem),
      answers: chats.whole + chats.cut.length,
      cut: chats.cut,
      reconnected: sockets.reconnected,
      socketsLost: sockets.lost,
      worstMs: calls.worstMs,
    };
  }
}
