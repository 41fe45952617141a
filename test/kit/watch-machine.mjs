/**
 * Loaded before a program (`node --import`): writes to the file descriptor 3 what the program asks of this machine, one
 * line each: kernel files, the os module, connections, other programs.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import os from 'node:os';

const write = fs.writeSync;
const tell = (what) => write(3, `${what}\n`);

function watch(holder, name, describe) {
  const original = holder[name];
  holder[name] = function watched(...args) {
    const what = describe(...args);
    if (what !== undefined) tell(what);
    return Reflect.apply(original, this, args);
  };
}

const kernelFile = (path) => (/^\/(?:proc|sys)(?:\/|$)/.test(String(path)) ? `file ${path}` : undefined);
for (const name of ['readFileSync', 'readdirSync', 'existsSync', 'statSync', 'readlinkSync', 'openSync']) {
  watch(fs, name, kernelFile);
}
for (const name of ['readFile', 'readdir', 'stat', 'open']) watch(fs.promises, name, kernelFile);
for (const name of ['cpus', 'totalmem', 'freemem', 'availableParallelism', 'networkInterfaces', 'loadavg']) {
  watch(os, name, () => `os.${name}`);
}
watch(net.Socket.prototype, 'connect', () => 'connection');
for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']) {
  watch(childProcess, name, (command) => `program ${command}`);
}
syncBuiltinESMExports();
