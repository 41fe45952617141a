import { backupsStep } from '../backup/timer.ts';
import { adminStep } from './admin.ts';
import { bootStep } from './boot.ts';
import { clusterStep } from './cluster.ts';
import { modelStep } from './model.ts';
import { planStep } from './plan-step.ts';
import { pythonStep } from './python.ts';
import { packagesStep, serviceDataStep } from './services.ts';
import type { Setup } from './setup.ts';
import { connectServicesStep, startServicesStep } from './start-services.ts';
import type { Step } from './step.ts';

/** All steps of `up`, in order. */
export function stepsOf(setup: Setup): Step[] {
  return [
    ...serviceStepsOf(setup),
    modelStep(setup),
    adminStep(setup),
    planStep(setup),
    clusterStep(setup),
    backupsStep(setup),
    bootStep(setup),
  ];
}

/** The steps that lead to a database and a broker. */
export function serviceStepsOf(setup: Setup): Step[] {
  return [...runningServiceStepsOf(setup), connectServicesStep(setup)];
}

/** Without the last, which points Open WebUI at them. */
export function runningServiceStepsOf(setup: Setup): Step[] {
  return [pythonStep(setup), packagesStep(setup), serviceDataStep(setup), startServicesStep(setup)];
}
