import { choosePools, connectionBudget } from '../pools.ts';
import { usesPgvector } from '../services.ts';
import type { Computed, SettingsGroup } from './group.ts';

/**
 * Connection pools: open_webui/internal/db.py (0.12.4). Without a size, SQLAlchemy opens up to 5 + 10 connections for each
 * of a worker's two engines, whatever the server allows, and Open WebUI ignores the other DATABASE_POOL variables.
 */
export const databaseGroup: SettingsGroup = {
  keys: ['DATABASE_POOL_SIZE', 'DATABASE_POOL_MAX_OVERFLOW', 'PGVECTOR_POOL_SIZE'],
  recommend(context) {
    const { services, settings, workers } = context;
    if (services.database.kind === 'sqlite') {
      return [
        {
          key: 'DATABASE_POOL_SIZE',
          // Without it: 512 connections, each with its own page cache of 64 MB.
          value: '8',
          reason: 'connections to SQLite, each with its own page cache (default: 512)',
        },
      ];
    }
    const budget = connectionBudget(services.database);
    if (!budget) return [];
    const pools = choosePools(budget, workers, settings, usesPgvector(context));
    const given = `${budget.connections} connections for ${workers} + 1 workers with two engines each`;
    const computed: Computed[] = [];
    // If the user has set a size, our overflow would change its meaning.
    if (!settings.has('DATABASE_POOL_SIZE')) {
      const theirs = settings.get('DATABASE_POOL_MAX_OVERFLOW')?.value;
      const overflow = theirs === undefined ? pools.overflow : Math.max(0, Number.parseInt(theirs, 10) || 0);
      const size = Math.max(1, pools.size + pools.overflow - overflow);
      computed.push(
        { key: 'DATABASE_POOL_SIZE', value: String(size), reason: given },
        {
          key: 'DATABASE_POOL_MAX_OVERFLOW',
          value: String(pools.overflow),
          reason: 'additional connections under load, closed after it',
        },
      );
    }
    if (pools.vector > 0) {
      computed.push({
        key: 'PGVECTOR_POOL_SIZE',
        value: String(pools.vector),
        reason: 'connections of each worker for vectors, on the same server',
      });
    }
    return computed;
  },
};
