import { applyMode, Mode } from '@cloudscape-design/global-styles';

export type Theme = 'light' | 'dark' | 'system';
const key = 'vedette.theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

export const currentTheme = (): Theme => (localStorage.getItem(key) as Theme | null) ?? 'system';
export const isDark = () => currentTheme() === 'dark' || (currentTheme() === 'system' && system.matches);

export function setTheme(theme: Theme) {
  localStorage.setItem(key, theme);
  applyMode(isDark() ? Mode.Dark : Mode.Light);
}

export function startTheme() {
  setTheme(currentTheme());
  system.addEventListener('change', () => setTheme(currentTheme()));
}
