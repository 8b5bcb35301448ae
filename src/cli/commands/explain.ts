/** `nestwalk explain`: one translation as a person would draw it. */
import type { CommandModule } from 'yargs';
import { explainText } from '../../iommu/explain-text.ts';
import { walkPicture } from '../../iommu/walk-picture.ts';
import { bdfText, faultName } from '../../report/names.ts';
import { visible } from '../../report/visible.ts';
import { wrapped } from '../../report/wrap.ts';
import { explain, type Explanation, NothingToSend } from '../../schedule/explain.ts';
import { expand } from '../../scenario/expand.ts';
import { didYouMean, UserError } from '../../scenario/problem.ts';
import type { RunSpec } from '../../spec.ts';
import { loadOrFail, type ScenarioArguments, scenarioOptions, wholeNumber } from '../options.ts';
import { print, printJson, resultColours } from '../terminal.ts';

const ACCESS = { r: 1, w: 2, a: 3 } as const;
const OPERATIONS = { r: 'read', w: 'write', a: 'atomic' } as const;
const LARGEST_IOVA = (1n << 64n) - 1n;
const LARGEST_AFTER_NS = 1_000_000_000;

interface ExplainArguments extends ScenarioArguments {
  readonly device: string | undefined;
  readonly iova: bigint | undefined;
  readonly pasid: number | undefined;
  readonly point: string | undefined;
  readonly op: keyof typeof ACCESS;
  readonly afterNs: number;
  readonly json: boolean;
}

export const explainCommand: CommandModule<object, ExplainArguments> = {
  command: 'explain <scenario>',
  describe: 'draw one translation: every entry read, what the caches held, step by step',
  builder: (yargs) =>
    scenarioOptions(yargs)
      .option('device', { describe: 'name of the device (default: the first)', type: 'string', requiresArg: true })
      .option('iova', {
        describe: 'address, hex or decimal (default: where the device would go next)',
        type: 'string',
        requiresArg: true,
        coerce: (value: string | undefined) => (value === undefined ? undefined : readIova(value)),
      })
      .option('pasid', {
        describe: "PASID of the request (default: the device's)",
        type: 'string',
        requiresArg: true,
        coerce: (value: string | undefined) =>
          value === undefined ? undefined : wholeNumber('--pasid', value, 0, 0xfffff),
      })
      .option('point', { describe: 'point of the sweep (default: the first)', type: 'string', requiresArg: true })
      .option('op', { describe: 'read, write or atomic', choices: ['r', 'w', 'a'] as const, default: 'r' as const })
      .option('after-ns', {
        describe: 'let the unit run for so long before, to see warm caches',
        type: 'string',
        requiresArg: true,
        default: '0',
        coerce: (value: string) => wholeNumber('--after-ns', value, 0, LARGEST_AFTER_NS),
      })
      .option('json', { describe: 'print the steps as JSON', type: 'boolean', default: false }) as never,
  handler: explainScenario,
};

function explainScenario(args: ExplainArguments): void {
  const spec = pointOf(expand(loadOrFail(args)), args.point);
  const names = spec.tenants.flatMap(({ devices }) => devices.map(({ name }) => name));
  const device = args.device ?? names[0];
  if (!names.includes(device)) {
    throw new UserError(
      `--device ${device}: there is no such device${didYouMean(device, names) || `; expected one of ${names.slice(0, 10).join(', ')}`}`,
    );
  }
  const explanation = explained(spec, device, args);
  if (args.json) printJson(plain(explanation, args));
  else for (const line of drawing(explanation, args)) print(line);
}

function explained(spec: RunSpec, device: string, { iova, pasid, op, afterNs }: ExplainArguments): Explanation {
  try {
    const page = iova === undefined ? undefined : Number(iova >> 12n);
    return explain(spec, { device, page, pasid, access: ACCESS[op], afterNs });
  } catch (error) {
    if (!(error instanceof NothingToSend)) throw error;
    throw new UserError(
      `${error.message} at ${afterNs} ns; give an address with --iova, or another time with --after-ns`,
    );
  }
}

function pointOf(specs: readonly RunSpec[], point: string | undefined): RunSpec {
  if (point === undefined) return specs[0];
  const found = specs.find((spec) => spec.point === point);
  if (found !== undefined) return found;
  const points = [...new Set(specs.map((spec) => spec.point))];
  throw new UserError(`--point ${point}: there is no such point; expected one of ${points.slice(0, 20).join(', ')}`);
}

/** 64 bits, exact. */
function readIova(text: string): bigint {
  const valid = /^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text);
  const value = valid ? BigInt(text) : -1n;
  if (value < 0n || value > LARGEST_IOVA) {
    throw new UserError(
      `--iova: ${JSON.stringify(text)} is not an address; expected hex (0x…) or decimal, 64 bits at most`,
    );
  }
  return value;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** The address asked for, with its offset in the page. */
function addressOf({ page }: Explanation, iova: bigint | undefined): bigint {
  return iova ?? BigInt(page) << 12n;
}

function plain(explanation: Explanation, args: ExplainArguments) {
  const { device, tenant, steps, translationNs, fault, targetPage } = explanation;
  const iova = addressOf(explanation, args.iova);
  return {
    device: device.name,
    bdf: bdfText(device.bdf),
    tenant: tenant.name,
    mode: tenant.mode,
    op: args.op,
    iova: hex(iova),
    result: fault === 0 ? hex((BigInt(targetPage) << 12n) | (iova & 0xfffn)) : null,
    fault: fault === 0 ? null : faultName(fault),
    translationNs,
    steps,
  };
}

function drawing(explanation: Explanation, args: ExplainArguments): string[] {
  const { device, bdf, tenant, mode, iova, result, fault, translationNs, steps } = plain(explanation, args);
  const reads = steps.filter(({ read }) => read > 0).length;
  const end = result === null ? `aborted: ${fault}` : `${iova} → ${result}`;
  const { bold, green, dim, red } = resultColours;
  const ending = { target: result ?? undefined, fault: fault ?? undefined };
  return [
    wrapped(`${visible(device)} (${bdf}) of ${visible(tenant)}, ${mode}: ${OPERATIONS[args.op]} at ${iova}`),
    '',
    ...walkPicture(steps, ending, { read: bold, hit: green, none: dim, fault: red }),
    '',
    ...explainText(steps, translationNs),
    `${end}; ${reads} memory read${reads === 1 ? '' : 's'}, ${translationNs.toFixed(1)} ns`,
  ];
}
