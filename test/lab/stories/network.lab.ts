import { networkStory } from '../network-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('network', 'networks of guests are on all nodes, and stay there', networkStory)
