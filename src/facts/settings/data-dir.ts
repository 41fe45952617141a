import { dirname, isAbsolute, resolve } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import type { Probe } from '../openwebui/probe.ts';

export interface DataDirSources {
  environment: Environment;
  envFile: Readonly<Record<string, string>>;
  envFilePath: string | undefined;
  cwd: string;
  /** Ours, outside of Python's packages. */
  defaultDir: string;
  probe: Probe;
}

/** Why the data folder is where it is, and the source of the setting. */
export interface DataDirDecision {
  reason: string;
  source: 'environment' | 'env file' | 'computed';
}

export interface DataDir {
  path: string;
  decision: DataDirDecision;
  warnings: string[];
}

/**
 * Where Open WebUI keeps its data: where the user says, else where data exists already, else in a folder that no
 * upgrade can take away.
 */
export function chooseDataDir(sources: DataDirSources): DataDir {
  const { environment, envFile, envFilePath, cwd, defaultDir, probe } = sources;
  if (environment.DATA_DIR) {
    const path = resolve(cwd, environment.DATA_DIR);
    return { path, decision: { source: 'environment', reason: 'yours' }, warnings: [] };
  }
  if (envFile.DATA_DIR && envFilePath) {
    const path = resolve(dirname(envFilePath), envFile.DATA_DIR);
    const warnings = isAbsolute(envFile.DATA_DIR)
      ? []
      : [`DATA_DIR is relative in ${envFilePath}: taken from that folder, ${path}`];
    return { path, decision: { source: 'env file', reason: 'yours' }, warnings };
  }
  const isUsed = (path: string | undefined) => path !== undefined && (probe.data[path]?.used ?? false);
  const packageDir = probe.package_data;
  if (packageDir !== undefined && isUsed(packageDir)) {
    if (!isUsed(defaultDir)) {
      return {
        path: packageDir,
        decision: { source: 'computed', reason: 'there is data already' },
        warnings: [
          `your data is inside Python's packages (${packageDir}), where an upgrade of Open WebUI can lose it: ` +
            'move that folder while Open WebUI is stopped, and set DATA_DIR to its new place',
        ],
      };
    }
    return {
      path: defaultDir,
      decision: { source: 'computed', reason: 'there is data already' },
      warnings: [`there is other data in ${packageDir}: set DATA_DIR to use that`],
    };
  }
  return {
    path: defaultDir,
    decision: { source: 'computed', reason: 'outside of Python’s packages: an upgrade cannot lose it' },
    warnings: [],
  };
}
