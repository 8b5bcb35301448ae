/** The smallest engine that can run one device model: one link, one latency, no translation. */
import { Prng } from '../../src/lib/prng.ts';
import { Burst, type DeviceModel } from '../../src/traffic/device.ts';
import { devices } from '../../src/traffic/devices/index.ts';
import type { Mapper } from '../../src/traffic/mapper.ts';
import type { DeviceSpec, LinkSpec, Policy, TrafficSpec } from '../../src/spec.ts';
import { testDriver, type TestDriver, type TestDriverOptions } from './driver.ts';

export const LINK: LinkSpec = {
  gbps: 100,
  maxPayloadBytes: 256,
  maxReadRequestBytes: 512,
  writeHeaderBytes: 24,
  readRequestBytes: 24,
  completionHeaderBytes: 20,
  outstanding: 256,
};

export interface IssuedRequest {
  readonly atPs: number;
  readonly burst: number;
  readonly page: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly op: number;
}

export interface DeviceRun {
  readonly model: DeviceModel;
  readonly requests: IssuedRequest[];
  /** [first issue, completion] of every burst. */
  readonly bursts: { readonly earliestPs: number; readonly issuedPs: number; readonly donePs: number }[];
  readonly softwareCalls: number;
  readonly endPs: number;
}

export interface RunOptions {
  readonly seed?: number;
  readonly index?: number;
  readonly latencyPs?: number;
  readonly requestPs?: number;
  readonly untilPs?: number;
  readonly maxRequests?: number;
  readonly packetNs?: number;
  readonly link?: LinkSpec;
  /** Called for each request: true = it faults. */
  readonly faults?: (request: IssuedRequest) => boolean;
}

export function makeDevice(traffic: TrafficSpec, mapper: Mapper, options: RunOptions = {}): DeviceModel {
  const index = options.index ?? 0;
  const link = options.link ?? LINK;
  const spec: DeviceSpec = { name: 'dev', index, bdf: 0x100, unit: 0, pasid: -1, link, untrusted: false, traffic };
  const rng = new Prng(options.seed ?? 1, index);
  return devices[traffic.model]({ spec, tenant: { devices: [spec] }, rng, mapper, packetNs: options.packetNs ?? 300 });
}

/** Runs until nothing more happens, `untilPs`, or `maxRequests`. */
export function runDevice(model: DeviceModel, options: RunOptions = {}): DeviceRun {
  const latencyPs = options.latencyPs ?? 500_000;
  const requestPs = options.requestPs ?? 5000;
  const untilPs = options.untilPs ?? 1e9;
  const burst = new Burst(model.burstCapacity);
  const requests: IssuedRequest[] = [];
  const bursts: { earliestPs: number; issuedPs: number; donePs: number }[] = [];
  const inFlight: number[] = [];
  /** Bursts whose completion the model does not know yet: told when half the latency has passed. */
  const untold: { tellPs: number; token: number; donePs: number; faulted: boolean }[] = [];
  let linkFreePs = 0;
  let askAtPs = 0;
  let nowPs = 0;
  let softwareCalls = 0;
  model.start();
  while (requests.length < (options.maxRequests ?? 20_000)) {
    const softwareAt = model.softwareAt();
    const tellAt = untold[0]?.tellPs ?? Infinity;
    nowPs = Math.max(nowPs, Math.min(askAtPs, softwareAt, tellAt));
    if (nowPs > untilPs || nowPs === Infinity) break;
    if (tellAt <= nowPs) {
      const { token, donePs, faulted } = untold.shift()!;
      model.burstDone(token, donePs, faulted);
      continue;
    }
    if (softwareAt <= askAtPs) {
      model.software(nowPs);
      softwareCalls++;
      if (askAtPs === Infinity) askAtPs = nowPs;
      continue;
    }
    while (inFlight.length > 0 && inFlight[0] <= nowPs) inFlight.shift();
    if (inFlight.length >= model.outstandingBursts) {
      askAtPs = inFlight[0]!;
      continue;
    }
    burst.count = 0;
    if (!model.nextBurst(nowPs, burst)) {
      askAtPs = Infinity;
      continue;
    }
    const token = burst.token;
    if (burst.count < 1) throw new Error('an empty burst');
    let atPs = Math.max(burst.earliestPs, linkFreePs, nowPs);
    const issuedPs = atPs;
    let faulted = false;
    for (let i = 0; i < burst.count; i++, atPs += requestPs) {
      const request = {
        atPs,
        burst: bursts.length,
        page: burst.page[i],
        offset: burst.offset[i],
        lengthBytes: burst.lengthBytes[i],
        op: burst.op[i],
      };
      requests.push(request);
      if (options.faults?.(request) === true) faulted = true;
    }
    linkFreePs = atPs;
    askAtPs = atPs;
    const donePs = atPs + latencyPs;
    bursts.push({ earliestPs: burst.earliestPs, issuedPs, donePs });
    inFlight.push(donePs);
    inFlight.sort((a, b) => a - b);
    if (model.asksAhead !== true) untold.push({ tellPs: donePs - latencyPs / 2, token, donePs, faulted });
  }
  return { model, requests, bursts, softwareCalls, endPs: nowPs };
}

export interface DriverAndRun extends DeviceRun {
  readonly driver: TestDriver;
}

export function runTraffic(
  traffic: TrafficSpec,
  policy: Policy = 'strict',
  options: RunOptions & { driver?: TestDriverOptions } = {},
): DriverAndRun {
  const driver = testDriver(policy, options.driver);
  const model = makeDevice(traffic, driver.mapper, options);
  return { driver, ...runDevice(model, options) };
}
