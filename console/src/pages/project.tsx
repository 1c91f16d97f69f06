export function ProjectPage(_: { project: string }) { return null; }
