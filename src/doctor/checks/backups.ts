import { formatBytes } from '../../base/units.ts';
import { isOverdue, WHEN } from '../../runtime/backups/due.ts';
import { APPS } from '../../runtime/contract.ts';
import { check, error, note, ok, warning } from '../check.ts';

export const backupChecks = [
  check({
    id: 'files.backups',
    title: 'Backups are made, and the last attempt was a success',
    why: 'without a backup, a disk that fails takes everything that your users have written',
    source: 'backups.json in $XDG_DATA_HOME/webui-tune; pm2 list',
    needs: ['backups', 'isOfUp'],
    uses: ['pm2'],
    about: 'backups',
    run: ({ backups: { state, last }, isOfUp, pm2 }) => {
      if (state?.schedule === undefined) {
        return isOfUp
          ? note('none are made by themselves', 'webui-tune backup --schedule')
          : ok('yours to make');
      }
      const { schedule, failure, folder } = state;
      const good = last && `${last.file} of ${last.at}, ${formatBytes(last.bytes)}`;
      const lastOne = `the last good one is ${good ?? 'none'}`;
      if (pm2?.processes?.length && !pm2.processes.some(({ name }) => name === APPS.backup)) {
        return warning(`PM2 does not run ${APPS.backup}; ${lastOne}`, 'webui-tune up');
      }
      const isOld = isOverdue(schedule, last?.at, new Date());
      if (failure && !(failure.busy && !isOld)) {
        const found = `the attempt at ${failure.at} failed: ${failure.reason}; ${lastOne}`;
        const mend = 'mend that, then: webui-tune backup';
        return isOld ? error(found, mend) : warning(found, mend);
      }
      if (last === undefined) return note(`${WHEN[schedule]}, to ${folder}; none was made yet`);
      if (isOld) {
        return error(
          `${lastOne}: too old for ${WHEN[schedule]}`,
          `pm2 logs ${APPS.backup}; webui-tune backup`,
        );
      }
      return last.lacking === undefined
        ? ok(`${WHEN[schedule]}; ${lastOne}`)
        : note(`${WHEN[schedule]}; ${lastOne}; ${last.lacking}`);
    },
  }),
];
