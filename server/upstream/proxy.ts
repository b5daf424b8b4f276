/** Outbound proxies, as the environment variables of these names say. */
export interface ProxySettings {
  /** `HTTPS_PROXY`: for https addresses. */
  readonly https?: string;
  /** `HTTP_PROXY`: for http addresses. */
  readonly http?: string;
  /** `NO_PROXY`: hosts that are reached directly; a host covers its subdomains, `*` covers all, `host:port` only that port. */
  readonly none?: string;
}

/**
 * What the environment says, as pip and curl read it: lower case before upper case. This machine is always reached directly, since
 * a proxy elsewhere could not reach it.
 */
export function proxiesOfEnvironment(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const https = env.https_proxy || env.HTTPS_PROXY || env.all_proxy || env.ALL_PROXY;
  const http = env.http_proxy || env.HTTP_PROXY || env.all_proxy || env.ALL_PROXY;
  const none = [env.no_proxy || env.NO_PROXY || '', 'localhost', '127.0.0.1', '[::1]'].join(',');
  return { none, ...(https ? { https } : {}), ...(http ? { http } : {}) };
}

/** The proxy that leads to `url`, or `undefined` when it is to be reached directly. As curl and pip read the variables. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const address = url.protocol === 'https:' ? settings.https : settings.http;
  if (address === undefined || address === '' || isExempt(url, settings.none ?? '')) return undefined;
  return new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
}

function isExempt(url: URL, none: string): boolean {
  const host = url.hostname.toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return none
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry.replace(/^\*?\./, '')) ?? [];
      if (name === '' || (only !== undefined && only !== port)) return false;
      return host === name || host.endsWith(`.${name}`);
    });
}
