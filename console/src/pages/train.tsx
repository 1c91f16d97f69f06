export default function Page(_: { project: string }) { return null; }
