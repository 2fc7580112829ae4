// Where the screen stands: #/ is the wall, #/list a page, #/patient/ID?t=... a page of someone, #/alarm=ID a notice's link.
export interface Route {
  page: string; // "" is the wall
  id: string | null;
  query: URLSearchParams;
}

const ID = /^[\w.:-]{1,64}$/;
export const isId = (text: string): boolean => ID.test(text);

// null for what is no address of ours.
export function parseRoute(hash: string): Route | null {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", id = null, ...rest] = path.split("/");
  if (rest.length || !/^[a-z-]*$/.test(page)) return null;
  const decoded = id === null || id === "" ? null : decode(id);
  if (decoded === undefined || (page === "" && decoded !== null)) return null;
  return { page, id: decoded, query: new URLSearchParams(query) };
}

// The link of a notice (alerts/notify): the alarm it is about.
export const alarmOf = (hash: string): string | null => /^#\/?alarm=([\w-]+)$/.exec(hash)?.[1] ?? null;

// The address of a page, for a link's href or for location.hash.
export function hashOf(page: string, id?: string, query: Record<string, string | number> = {}): string {
  const asked = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  return `#/${page}${id === undefined ? "" : `/${encodeURIComponent(id)}`}${asked && `?${asked}`}`;
}

function decode(text: string): string | undefined {
  try {
    const id = decodeURIComponent(text);
    return isId(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
