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

/** All that `up` sees to, in order. */
export function stepsOf(setup: Setup): Step[] {
  return [
    ...serviceStepsOf(setup),
    modelStep(setup),
    adminStep(setup),
    planStep(setup),
    clusterStep(setup),
    bootStep(setup),
  ];
}

/** Those until the database and the broker can be used. */
export function serviceStepsOf(setup: Setup): Step[] {
  return [
    pythonStep(setup),
    packagesStep(setup),
    serviceDataStep(setup),
    startServicesStep(setup),
    connectServicesStep(setup),
  ];
}
