/** A method that may say no: called before the real one, with the same arguments; what it throws is what the caller sees. */
export type Fault = (...args: readonly unknown[]) => void | Promise<void>;

/**
 * `real` with faults in front of some of its methods: `faulty(store, { put: failOnce(new StorageFullError('full')) })`.
 * Only for methods that return promises.
 */
export function faulty<T extends object>(real: T, faults: { readonly [K in keyof T]?: Fault }): T {
  return new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const fault: unknown = Reflect.get(faults, name);
      if (typeof fault !== 'function') return value.bind(target);
      return async (...args: unknown[]): Promise<unknown> => {
        await fault(...args);
        return await value.apply(target, args);
      };
    },
  });
}

/** Throws `error` at the first call, and lets the others through. */
export function failOnce(error: Error): Fault {
  return failTimes(1, error);
}

/** Throws `error` at the first `count` calls. */
export function failTimes(count: number, error: Error): Fault {
  let left = count;
  return () => {
    if (left-- > 0) throw error;
  };
}

/** Throws `error` at every call until `heal` is called. */
export function failUntilHealed(error: Error): Fault & { heal(): void } {
  let broken = true;
  const fault = (): void => {
    if (broken) throw error;
  };
  return Object.assign(fault, {
    heal: () => {
      broken = false;
    },
  });
}
