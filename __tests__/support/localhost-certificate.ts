/**
 * A server "localhost" that is its own authority, until 2124; made with
 * `openssl ca -selfsign`. Nothing else trusts it.
 */

export const localhostKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtJeRPaMR4daHESwO
7gWfpHAQUj1NV8s368Gnxtg/20mhRANCAAQJSnCq49f4mL4CN82XcviW0SmhtgTF
mdhc7L+vrFFMLttGtXvcEEWp64KyICQu3cq4PJmq1IrxqX3Yc+6B8SIK
-----END PRIVATE KEY-----
`;

export const localhostCertificate = `-----BEGIN CERTIFICATE-----
MIIBYTCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjQwMTAxMDAwMDAwWhgPMjEyNDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAlKcKrj1/iYvgI3
zZdy+JbRKaG2BMWZ2Fzsv6+sUUwu20a1e9wQRanrgrIgJC7dyrg8marUivGpfdhz
7oHxIgqjSDBGMA8GA1UdEwEB/wQFMAMBAf8wFAYDVR0RBA0wC4IJbG9jYWxob3N0
MB0GA1UdDgQWBBT3Vbim83xu7v+J7IKn8rhslTfXiDAKBggqhkjOPQQDAgNIADBF
AiEAoVaLHWEmpqrvXc1Clj8XkhmYBtIWHJN70n67I5mjF6UCIGpv1olgyf2FbbC4
Q2HpXKUR6NMbO4d/0gYnkKnWo/Ep
-----END CERTIFICATE-----
`;
