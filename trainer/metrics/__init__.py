"""How good samples are: FID, KID, PSNR, SSIM, perceptual distance."""
