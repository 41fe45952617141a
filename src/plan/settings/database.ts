import { choosePools, connectionBudget } from '../pools.ts';
import { usesPgvector } from '../services.ts';
import type { Computed, SettingsGroup } from './group.ts';

/**
 * Connection pools: open_webui/internal/db.py (0.12.4). Without a size SQLAlchemy takes 5 and 10 more for each of a
 * worker's two engines, whatever the server has, and every other DATABASE_POOL variable is ignored.
 */
export const databaseGroup: SettingsGroup = {
  keys: ['DATABASE_POOL_SIZE', 'DATABASE_POOL_MAX_OVERFLOW', 'PGVECTOR_POOL_SIZE'],
  recommend(context) {
    const { services, settings, workers } = context;
    if (services.database.kind === 'sqlite') {
      return [
        {
          key: 'DATABASE_POOL_SIZE',
          // Without it: 512 connections, each with a page cache of 64 MB of its own.
          value: '8',
          reason: 'connections to SQLite; each has a page cache of its own, and the default is 512 of them',
        },
      ];
    }
    const budget = connectionBudget(services.database);
    if (!budget) return [];
    const pools = choosePools(budget, workers, settings, usesPgvector(context));
    const given = `${budget.connections} connections for ${workers} + 1 workers with two engines each`;
    const computed: Computed[] = [];
    // A size of the user's own stands for itself: an overflow beside it would change what it means.
    if (!settings.has('DATABASE_POOL_SIZE')) {
      const theirs = settings.get('DATABASE_POOL_MAX_OVERFLOW')?.value;
      const overflow = theirs === undefined ? pools.overflow : Math.max(0, Number.parseInt(theirs, 10) || 0);
      const size = Math.max(1, pools.size + pools.overflow - overflow);
      computed.push(
        { key: 'DATABASE_POOL_SIZE', value: String(size), reason: given },
        {
          key: 'DATABASE_POOL_MAX_OVERFLOW',
          value: String(pools.overflow),
          reason: 'more of them under load, closed after it',
        },
      );
    }
    if (pools.vector > 0) {
      computed.push({
        key: 'PGVECTOR_POOL_SIZE',
        value: String(pools.vector),
        reason: 'connections of each worker for vectors, out of the same server',
      });
    }
    return computed;
  },
};
