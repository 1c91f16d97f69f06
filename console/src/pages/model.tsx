export default function Page(_: { project: string; version: string }) { return null; }
