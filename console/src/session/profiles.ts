// Profiles name the servers and regions that a person works with. They hold no secrets.
export interface Profile {
  name: string;
  /** The origin of the server, such as https://vedette.plant.example:8420. */
  server: string;
  region: string;
}

const key = 'vedette.profiles';
const valid = (value: unknown): value is Profile =>
  typeof value === 'object' &&
  value !== null &&
  ['name', 'server', 'region'].every((name) => typeof (value as Record<string, unknown>)[name] === 'string') &&
  /^https?:\/\//.test((value as Profile).server);

export function readProfiles(): Profile[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(list) ? list.filter(valid) : [];
  } catch {
    return [];
  }
}

export function writeProfiles(profiles: Profile[]) {
  localStorage.setItem(key, JSON.stringify(profiles));
}

export const lastRegion = () => localStorage.getItem('vedette.region') ?? 'us-east-1';
export const rememberRegion = (region: string) => localStorage.setItem('vedette.region', region);
