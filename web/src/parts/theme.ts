/** Light or dark: as the system says, until the user chooses. The choice stays in this browser. */

export type Theme = "light" | "dark";

const KEY = "ewms-theme";

export function readTheme(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") {
    return chosen;
  }
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  window.dispatchEvent(new Event("themechange"));
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme(theme);
}

/** Return the value of a color of the theme, for what CSS does not reach, such as a canvas. */
export function readColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
