// The bucket that holds what the console uploads. There is one per region, which is made when it is first needed and the person agrees
// (console_bucket_dialog.tsx).
import type { S3 } from '../api/s3.ts';

const prefixOf = (region: string) => `lookoutvision-${region}-`;

export async function findConsoleBucket(s3: S3, region: string): Promise<string | null> {
  const buckets = await s3.listBuckets();
  return buckets.filter((name) => name.startsWith(prefixOf(region))).sort()[0] ?? null;
}

export function newBucketName(region: string): string {
  const random = crypto.getRandomValues(new Uint8Array(5));
  return prefixOf(region) + Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Makes the bucket as the original did: it keeps old versions for 30 days, and unfinished uploads for 3 days. */
export async function createConsoleBucket(s3: S3, name: string): Promise<void> {
  await s3.createBucket(name);
  await s3.putBucketSetting(name, 'versioning', '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>');
  await s3.putBucketSetting(
    name,
    'lifecycle',
    '<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>console</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>' +
      '<NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>' +
      '<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>',
  );
}
