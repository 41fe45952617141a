/**
 * PM2 starts this program every few minutes (cron_restart): it begins a backup where one is due, and ends. The backup is a
 * process of its own, because PM2 ends this one at the next start. What it says goes into this app's logs.
 */
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { dataHome } from '../../base/io/folders.ts';
import { isAlive } from '../../base/machine/process-table.ts';
import { ENV } from '../contract.ts';
import { isDue } from './due.ts';
import { backupStatePath, lastGood, readBackupState } from './state.ts';

const { [ENV.program]: program, pm_out_log_path: log, pm_err_log_path: errors } = process.env;
if (program === undefined || log === undefined || errors === undefined) {
  throw new Error('this is started by PM2, from the file that webui-tune backup --schedule writes');
}
const state = readBackupState(backupStatePath(dataHome(process.env)));
const isRunning = state?.running !== undefined && isAlive(state.running);
if (state && !isRunning && isDue(state, lastGood(state)?.at, new Date())) {
  spawn(process.execPath, [program, 'backup'], {
    detached: true,
    stdio: ['ignore', openSync(log, 'a'), openSync(errors, 'a')],
  }).unref();
}
