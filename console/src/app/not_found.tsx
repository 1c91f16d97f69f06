import Box from '@cloudscape-design/components/box';
import Link from '@cloudscape-design/components/link';
import { href, paths } from './paths.ts';

export function NotFound() {
  return (
    <Box textAlign="center" padding={{ top: 'xxxl' }}>
      <Box variant="h1">There is no such page</Box>
      <Box variant="p">The address may be mistyped, or what it showed was deleted.</Box>
      <Link href={href(paths.projects())}>Go to your projects</Link>
    </Box>
  );
}
