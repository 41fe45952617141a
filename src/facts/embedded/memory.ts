import { MIB } from '../../base/units.ts';
import type { EmbeddedService, ServiceFacts } from '../types.ts';
import { SERVICE_APPS } from './apps.ts';

/**
 * Bytes that the embedded PostgreSQL takes for the connections of one busy worker. Measured (PSS, PostgreSQL 18): 42
 * MiB with one worker and 17 connections, 118 MiB with four and 62.
 */
const CONNECTIONS_OF_A_WORKER = 25 * MIB;

/** Bytes of the launcher and the keeper of one service (runtime/preload/hold.py). Measured (PSS, Python 3.11): 10 MiB. */
const LAUNCHER = 10 * MIB;

/**
 * The facts, with memory set aside for the connections of one worker per core: the embedded server has no other
 * clients.
 */
export function withConnections(
  services: ServiceFacts,
  embedded: readonly EmbeddedService[],
  cores: number,
): ServiceFacts {
  if (!embedded.some(({ name }) => name === SERVICE_APPS.postgres) || !services.colocated) return services;
  const launched = embedded.filter(({ schedule }) => schedule === undefined).length;
  const colocated = services.colocated.map((service) =>
    service.name === 'PostgreSQL'
      ? {
          ...service,
          bytes: service.bytes + cores * CONNECTIONS_OF_A_WORKER + launched * LAUNCHER,
          reason: `${service.reason}, and the connections of ${cores} busy workers`,
        }
      : service,
  );
  return { ...services, colocated };
}
