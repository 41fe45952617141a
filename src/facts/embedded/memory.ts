import { MIB } from '../../base/units.ts';
import type { EmbeddedService, ServiceFacts } from '../types.ts';
import { SERVICE_APPS } from './apps.ts';

/**
 * Bytes that the embedded PostgreSQL takes for the connections of one busy worker. Measured (PSS, PostgreSQL 18): 42 MiB
 * with one worker and 17 connections, 118 MiB with four and 62.
 */
const CONNECTIONS_OF_A_WORKER = 25 * MIB;

/** The facts with room for the connections of a worker on each core: the embedded server is there for them alone. */
export function withConnections(
  services: ServiceFacts,
  embedded: readonly EmbeddedService[],
  cores: number,
): ServiceFacts {
  if (!embedded.some(({ name }) => name === SERVICE_APPS.postgres) || !services.colocated) return services;
  const colocated = services.colocated.map((service) =>
    service.name === 'PostgreSQL'
      ? {
          ...service,
          bytes: service.bytes + cores * CONNECTIONS_OF_A_WORKER,
          reason: `${service.reason}, and the connections of ${cores} busy workers`,
        }
      : service,
  );
  return { ...services, colocated };
}
